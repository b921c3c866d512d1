"""The report of stage split on all rows, reports/accounting.json."""

from dataclasses import dataclass, field

from accord.data.leaks import Suspect
from accord.data.splitting import Account


@dataclass(frozen=True)
class Accounting(Account):
    leaks: list[Suspect] = field(default_factory=list)
    """Suspected rows, which are on both sides of a boundary."""
