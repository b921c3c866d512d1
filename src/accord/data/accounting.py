"""What stage split says of the rows read, reports/accounting.json."""

from dataclasses import dataclass, field

from accord.data.leaks import Suspect
from accord.data.splitting import Account


@dataclass(frozen=True)
class Accounting(Account):
    leaks: list[Suspect] = field(default_factory=list)
    """Rows that stand on both sides of a boundary."""
