"""The scorecard: the judge's verdict, and between whom, on what rows and beside which warnings it was reached."""

from dataclasses import dataclass, field

from accord.data.leaks import Suspect
from accord.evaluation.evaluated import Notice
from accord.promotion.judge import Judgement
from accord.promotion.tries import Attempt


@dataclass(frozen=True)
class Scorecard(Judgement):
    candidate: str
    """The model's id, as is `champion`."""
    champion: str | None
    n_rows: dict[str, int]
    """By split, as are the blocks."""
    n_blocks: dict[str, int]
    unit: str = "blocks"
    """What blocks are: days, or groups of rows."""
    level: float = 0.95
    """Of the intervals."""
    attempt: Attempt | None = None
    """None if no champion can be compared with."""
    suspects: list[Suspect] = field(default_factory=list)
    """Leak suspects that nobody vouches for."""
    notices: list[Notice] = field(default_factory=list)
    """What is too good to go unsaid."""
