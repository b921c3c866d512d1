"""A task: all that depends on what is predicted, as one object. docs/add-a-task.md shows how to write another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from accord.errors import AccordError
from accord.losses import ONE, Kind, Loss, Matrix, Vector
from accord.measures.curves import Plot
from accord.measures.metrics import Metric


@dataclass(frozen=True)
class Task:
    """What a target of this task is predicted by, measured with and shown as. Outcomes are (n,), predictions (n, k)."""

    losses: tuple[Loss, ...]
    """What training may minimise, the default first."""
    metrics: tuple[Metric, ...]
    """What is reported, the leading metric first."""
    proper_loss: str
    """The metric whose share taken away from the baseline's is the skill."""
    outputs: tuple[str, ...] = ONE
    """What each of the k columns of predictions is called after the target's name and an underscore. Default: one column,
    called like the target itself."""
    outcome: Kind = "amount"
    fault: Callable[[Vector, str], str | None] = lambda y, split: None
    """What is wrong with the known outcomes of a split, such as train, if anything: in words that go on after the key of the
    target's SQL."""
    followed: tuple[str, ...] = ()
    """Metrics that a simulation follows beside the leading one."""
    expected: Callable[[Matrix], Vector] | None = None
    """The outcome (n,) that predictions expect on average. None if they say nothing of the kind: then there is no mean
    prediction, and no estimate of the mean outcome."""
    plots: tuple[Plot, ...] = ()
    rates: Callable[[str, bool], Mapping[str, str]] = lambda name, acts: {}
    """What of a target of this name is compared across groups of people, by name, as SQL aggregates over the columns of its
    predictions, `actual_NAME` and, where a policy acts, `action`."""
    estimates: Mapping[str, Callable[[Vector, Vector], float]] = field(default_factory=dict)
    """Metrics that can be told without outcomes, from what predictions expect (n,) and what then happened to rows predicted
    alike (n,)."""
    evidently: Literal["ClassificationPreset", "RegressionPreset"] | None = None
    """Evidently's preset for the performance of a single column, if one fits."""

    def __post_init__(self) -> None:
        if not self.losses or self.proper_loss not in self.metric_names:
            raise ValueError(
                f"a task needs a loss, and a metric that is its proper_loss; found {len(self.losses)} losses, "
                f"metrics {', '.join(self.metric_names) or 'none'}, proper_loss {self.proper_loss}"
            )
        if len(set(self.outputs)) < len(self.outputs) or not all(
            f"_{name}".isidentifier() for name in self.outputs
        ):
            raise ValueError(
                f"outputs {', '.join(self.outputs)}: expected names of their own, of letters, digits and underscores"
            )

    @property
    def leading(self) -> Metric:
        return self.metrics[0]

    @property
    def watched(self) -> list[Metric]:
        """The metrics that a simulation follows."""
        return [self.leading, *(self.metric(name) for name in self.followed)]

    @property
    def metric_names(self) -> list[str]:
        return [metric.name for metric in self.metrics]

    def metric(self, name: str) -> Metric:
        """The task's metric of that name."""
        return self.metrics[self.metric_names.index(name)]


@dataclass(frozen=True)
class Predicted:
    """A target: what its model predicts, and the names that the columns of this have everywhere else."""

    name: str
    task: Task
    loss: Loss

    @property
    def columns(self) -> tuple[str, ...]:
        """Of predictions (k,)."""
        return _named(self.name, self.task.outputs)

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """Of raw scores (n_raw,)."""
        return _named(self.name, self.loss.raw)

    def of_raw(self, raw: Matrix) -> Matrix:
        """Predictions (n, k) of raw scores (n, n_raw). Raises AccordError where the loss and its task, or its model, don't
        fit together."""
        found = self.loss.link(raw) if raw.shape[1] == self.loss.n_raw else raw
        if found.shape != (len(raw), len(self.columns)) or raw.shape[1] != self.loss.n_raw:
            raise AccordError(
                f"target {self.name}: its model gives {raw.shape[1]} raw scores a row, of which the loss {self.loss.name} makes "
                f"predictions of the shape {found.shape}; expected {self.loss.n_raw}, as its `raw` names them, and "
                f"{(len(raw), len(self.columns))}, as the `outputs` of its task do"
            )
        return found

    def by_column(self, predictions: Matrix) -> dict[str, Vector]:
        """Each column (n,) of predictions (n, k) by its name."""
        return {column: predictions[:, j] for j, column in enumerate(self.columns)}

    def together(self, columns: Mapping[str, Vector]) -> Matrix:
        """Predictions (n, k) from their columns by name; others may be among them."""
        return np.column_stack([columns[name] for name in self.columns])


def first(predictions: Matrix) -> Vector:
    """The only column (n,) of predictions (n, 1)."""
    return predictions[:, 0]


def _named(target: str, suffixes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{target}_{suffix}" if suffix else target for suffix in suffixes)
