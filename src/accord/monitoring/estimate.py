"""How good the model probably is before outcomes are known, in a window and on test, by what predictions imply.

What predictions imply is calibrated on test, the only rows whose outcomes neither training nor a refit has seen. The window's
estimate is compared with test's own: the curve's errors are in both, and outcomes' luck is in neither. What else the curve may
be off by, where the window's rows are others than those of test, is `doubt`. Estimates see a change of the rows, never of what
follows from them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from accord import bootstrap
from accord.bootstrap import Statistic
from accord.losses import Matrix
from accord.measures import recalibration
from accord.measures.estimates import Implied
from accord.monitoring.quality import Computed, Watched
from accord.objective.fairness import restricted
from accord.objective.teams import Played, Vector
from accord.tasks.task import Predicted

N_REFITS = 10
MAX_DOUBTED = 10_000
"""Rows of each side that the doubt rests on."""
Calibrate = Callable[[Matrix], Matrix]
Estimated = Callable[[Implied], Statistic]


@dataclass(frozen=True)
class Implication:
    """What the predictions of one target imply, and how likely each outcome is by them."""

    target: Predicted
    calibrate: Calibrate
    refits: Sequence[Calibrate]
    """The same by other draws of test's days."""

    def value(self, estimated: Estimated, part: Played) -> float:
        """The estimate of all rows alike."""
        return _value(estimated, self._implied(part, self.calibrate))

    def watched(
        self, estimated: Estimated, better: str, realised: Computed, live: Played, test: Played
    ) -> Watched:
        """The estimate of the window beside that of test, to be judged by how much the realised metric varies: so it raises an alarm
        where the metric itself would once outcomes are known."""
        doubt = self.doubt(estimated, live, test)
        computed = _moved(realised, test, self.value(estimated, test))
        return Watched(self.value(estimated, live), better, computed, doubt)

    def doubt(self, estimated: Estimated, live: Played, test: Played) -> float:
        """The standard deviation of the difference between the two that comes from fitting the curve."""
        sides = [_spread_out(part) for part in (live, test)]
        values = [[_value(estimated, self._implied(part, refit)) for part in sides] for refit in self.refits]
        apart = np.array([on_live - on_test for on_live, on_test in values])
        return float(np.nanstd(apart)) if np.isfinite(apart).any() else 0.0

    def _implied(self, part: Played, calibrate: Calibrate) -> Implied:
        p = self.target.together(part.predictions)
        there = np.isfinite(p).all(axis=1)
        return Implied(p[there], calibrate(p[there]), part.block[there], part.n_blocks)


def _moved(computed: Computed, test: Played, to: float) -> Computed:
    """The same, moved by a constant so that it has this value on test."""
    with np.errstate(invalid="ignore", divide="ignore"):
        by = to - float(computed(test)(np.ones((1, test.n_blocks)))[0])

    def moved(part: Played) -> Statistic:
        statistic = computed(part)
        return lambda drawn: statistic(drawn) + by

    return moved


def mean_outcome(target: Predicted, name: str) -> Estimated:
    """The mean of what the calibrated predictions expect, of all that has a mean what is called so."""
    return lambda implied: implied.mean(target.expected_of(implied.likely)[name])


def implication(target: Predicted, test: Played, seed: int) -> Implication:
    """Calibrated on the rows of test."""
    y, p = test.outcomes[target.name], target.together(test.predictions)
    there = np.isfinite(y) & np.isfinite(p).all(axis=1)
    if target.task.outcome == "amount":
        return Implication(target, _of_amounts(target, y[there], p[there]), [])
    curves = recalibration.of_probabilities(y[there], p[there])
    n_refits = N_REFITS if target.task.estimates else 0
    drawn = bootstrap.draw(test.n_blocks, n_refits, seed)[:, test.block[there]]
    return Implication(target, curves, [curves.refitted(y[there], p[there], count) for count in drawn])


def _of_amounts(target: Predicted, y: Vector, p: Matrix) -> Calibrate:
    """Moves all columns alike, so that what they expect is right on average, also by its size."""
    expected = target.task.expected
    assert expected is not None
    curve = recalibration.of_amount(y, expected(p))
    return lambda predictions: predictions + (curve(e := expected(predictions)) - e)[:, None]


def _value(estimated: Estimated, implied: Implied) -> float:
    as_one = replace(implied, block=np.zeros(len(implied.block), np.intp), n_blocks=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(estimated(as_one)(np.ones((1, 1)))[0])


def _spread_out(part: Played) -> Played:
    n = part.rows.height
    return part if n <= MAX_DOUBTED else restricted(part, np.arange(n) % -(-n // MAX_DOUBTED) == 0)
