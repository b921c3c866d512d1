"""SQL row expressions as functions of one row, proven equal to Polars bit for bit.

Polars evaluates an expression over a single row in about 100 us, most of it overhead. An expression compiles to a tree of
plain data, `[operation, *parts]`, such as `["*", ["column", "distance"], ["literal", 1.5]]`, which a bundle holds as JSON;
`function` turns it into closures that take about a microsecond. The tree comes from the expression as Polars itself has
parsed it, with the types that Polars finds for its parts, so no second reading of SQL can disagree.

Nothing is trusted: `proof` compares both forms on given rows and on random ones. An expression that doesn't compile or
prove stays with Polars.
"""

from accord.sql.compiled.proving import Proof, proof
from accord.sql.compiled.sql import compile_sql
from accord.sql.compiled.trees import RowFunction, Tree, function

__all__ = ["Proof", "RowFunction", "Tree", "compile_sql", "function", "proof"]
