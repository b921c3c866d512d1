"""The report of stage validate on all rows, reports/validation.json."""

from dataclasses import dataclass, field

from accord.data.leaks import Suspect


@dataclass(frozen=True)
class Validated:
    n_rows: int
    n_valid: int
    n_quarantined: int
    broken_rules: dict[str, int]
    """How many rows break each rule of the contract; a row may break several."""
    leaks: list[Suspect] = field(default_factory=list)
    """Suspected features, which predict a target too well."""
    n_looked_at: int | None = None
    """How many rows were looked at for leaks, if not all."""
