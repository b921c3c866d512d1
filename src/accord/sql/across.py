"""Whether a SQL query looks at more of a table than one row at a time, by Polars' own plan of how it would stream."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

NODE = re.compile(r'^(\d+) \[label="((?:[^"\\]|\\.)*)"', re.MULTILINE)
EDGE = re.compile(r"^(\d+) -> (\d+);", re.MULTILINE)
ROW_BY_ROW = ("select", "with-columns", "filter")
"""Steps that make one row of each, or leave it out."""
JOINS = ("equi-join", "cross-join", "in-memory-join")
WITHIN = {"INNER": (0, 1), "LEFT": (0,), "RIGHT": (1,)}
"""Of which of its two tables a join may get the rows in parts: never of one whose rows say what of the other has no partner."""
FILTERING = ("semi-join", "anti-join")
"""Joins that leave out rows of the first table."""
WINDOWS = ("scalar-window", "window")
BY, HOW = "partition by: ", "how: "
WORDS = {
    "sort": "ORDER BY", "slice": "LIMIT", "group-by": "GROUP BY", "sorted-group-by": "GROUP BY", "is-first-distinct": "DISTINCT",
    "unique": "DISTINCT", "sorted-unique": "DISTINCT", "reduce": "an aggregate", "unordered-union": "UNION", "ordered-union": "UNION",
    "scalar-window": "OVER", "window": "OVER", "in-memory-map": "OVER, or a function of many rows", "map": "UNNEST",
    "strptime-infer": "a time that is read without a format", "with-row-index": "a subquery", "equi-join": "an outer join",
    "in-memory-join": "an outer join",
}  # fmt: skip
"""Steps of a plan in the words of SQL."""


@dataclass(frozen=True)
class Across:
    """What of a query looks at more than one row of a table."""

    windows: list[frozenset[str]]
    """For each window the columns of the table in which all rows that it looks at are equal."""
    others: list[str]
    """All else, in the words of SQL."""


def look(query: pl.LazyFrame, mark: str) -> Across:
    """What the query does across rows of the table that has a column `mark`, which no other table may have. What it does within
    the other tables alone does not count. What isn't known to take rows one by one is taken to look across them."""
    as_written = pl.QueryOptFlags.none()  # a limit of more rows than the table has is left out else
    plan = str(
        query.show_graph(engine="streaming", plan_stage="physical", raw_output=True, optimizations=as_written)
    )
    labels = {node: label.split(r"\n") for node, label in NODE.findall(plan)}
    inputs: dict[str, list[str]] = {node: [] for node in labels}
    for start, end in EDGE.findall(plan):
        inputs[end].append(start)
    tables = [node for node, label in labels.items() if _is_table(label, mark)]
    after = _after(tables, inputs)
    if len(tables) != 1 or any(sum(node in of for of in inputs.values()) > 1 for node in after):
        words = [
            WORDS[kind] for node in after if (kind := _kind(labels[node])) in WORDS and kind not in JOINS
        ]
        return Across([], list(dict.fromkeys(words)) or ["a join of the rows with themselves"])
    return _along(after, labels, inputs)


def _after(nodes: Collection[str], inputs: dict[str, list[str]]) -> list[str]:
    """All steps that these lead to."""
    found = list(nodes)
    for node in found:
        found += [other for other, of in inputs.items() if node in of and other not in found]
    return found


def _along(path: Sequence[str], labels: dict[str, list[str]], inputs: dict[str, list[str]]) -> Across:
    windows: list[frozenset[str]] = []
    others: list[str] = []
    own = _columns(labels[path[0]])
    for before, node in pairwise(path):
        kind, which = _kind(labels[node]), inputs[node].index(before)
        own = _unchanged(kind, labels[node], own) if which == 0 else frozenset()
        by = _partitioned(labels[node])
        if kind in WINDOWS and by and by <= own:
            windows.append(by)
        elif not _is_row_by_row(kind, labels[node], which):
            others.append(WORDS.get(kind, f"what Polars plans as {kind}"))
    return Across(windows, list(dict.fromkeys(others)))


def _is_table(label: Sequence[str], mark: str) -> bool:
    return label[0] == "in-memory-source" and mark in _columns(label)


def _kind(label: Sequence[str]) -> str:
    return label[0].partition("[")[0]


def _columns(label: Sequence[str]) -> frozenset[str]:
    return frozenset(name for line in label[1:] for name in line.removeprefix("cols: ").split(", "))


def _partitioned(label: Sequence[str]) -> frozenset[str]:
    """The columns of PARTITION BY."""
    by = [line.removeprefix(BY) for line in label if line.startswith(BY)]
    return frozenset(by[0].split(", ")) if by else frozenset()


def _unchanged(kind: str, label: Sequence[str], own: frozenset[str]) -> frozenset[str]:
    """Those of the columns that are still what they were behind a step."""
    if kind not in ("select", "with-columns"):
        return own
    set_to = {
        name.strip(): value.strip().replace('\\"', '"')
        for name, is_set, value in (line.partition(" = ") for line in label[1:])
        if is_set
    }
    same = {name for name, value in set_to.items() if value in (name, f'col("{name}")')}
    if kind == "with-columns":
        return own - (set_to.keys() - same)
    plain = {name for line in label[1:] if " = " not in line for name in line.split(", ")}
    return own & (same | plain)


def _is_row_by_row(kind: str, label: Sequence[str], which: int) -> bool:
    if kind in JOINS:
        how = next((line.removeprefix(HOW) for line in label if line.startswith(HOW)), "INNER")
        return which in WITHIN.get(how, ())
    return kind in ROW_BY_ROW or (kind in FILTERING and which == 0)
