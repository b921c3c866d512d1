"""A task: all that depends on what is predicted, as one object. docs/add-a-task.md shows how to write another."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Literal

import numpy as np
import polars as pl

from accord.bootstrap import Statistic
from accord.errors import AccordError
from accord.losses import ONE, Kind, Loss, Matrix, Vector
from accord.measures.curves import Plot
from accord.measures.estimates import Implied
from accord.measures.metrics import Metric
from accord.sql.rows import evaluate, parse, values_of


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
    classes: tuple[str, ...] = ()
    """What each class is called in the data, where a target names them: its SQL gives these texts, and outcomes are their
    numbers from 0 on."""
    of_classes: Callable[[tuple[str, ...]], "Task"] | None = None
    """The task of a target with these classes. None: targets of this task name none."""
    fault: Callable[[Vector, str], str | None] = lambda y, split: None
    """What is wrong with the known outcomes of a split, such as train, if anything: in words that go on after the key of the
    target's SQL."""
    remark: Callable[[Vector], str | None] = lambda y: None
    """What the user should know of the outcomes to train on, if anything: in words that go on after the target's name."""
    followed: tuple[str, ...] = ()
    """Metrics that a simulation follows beside the leading one."""
    expected: Callable[[Matrix], Vector] | None = None
    """The outcome (n,) that predictions expect on average. None if they say nothing of the kind: then there is no mean
    prediction, and no estimate of the mean outcome."""
    plots: tuple[Plot, ...] = ()
    rates: Callable[[str, bool], Mapping[str, str]] = lambda name, acts: {}
    """What of a target of this name is compared across groups of people, by name, as SQL aggregates over the columns of its
    predictions, `actual_NAME` and, where a policy acts, `action`."""
    estimates: Mapping[str, Callable[[Implied], Statistic]] = field(default_factory=dict)
    """Metrics that can be told without outcomes, from predictions and how likely each outcome is by them, (n, k) both."""
    evidently: Literal["ClassificationPreset", "RegressionPreset"] | None = None
    """Evidently's preset for the performance of a single column, or of the likeliest class, if one fits."""

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

    @property
    def actual_type(self) -> pl.DataType:
        """The type of actual outcomes as people write them: in the teams' SQL and in what monitoring keeps."""
        return pl.String() if self.classes else pl.Float64()

    def actual(self, rows: pl.DataFrame, sql: str, where: str) -> pl.Series:
        """The outcome of each row by a target's SQL as people write it, null where unknown: a number, or the text of its class.
        One that is none of the classes stays as it is."""
        if not self.classes:
            return evaluate(rows, sql, where).fill_nan(None)
        return values_of(rows, parse(sql, where).cast(pl.String), sql, where).replace(self._read_as)

    def outcomes(self, rows: pl.DataFrame, sql: str, where: str) -> Vector:
        """The same as what is predicted and measured: a number, or that of the class (n,), NaN where it is unknown or none of
        the classes."""
        if not self.classes:
            return evaluate(rows, sql, where).to_numpy()
        return self.of_actual(self.actual(rows, sql, where))

    def of_actual(self, actual: pl.Series) -> Vector:
        """Outcomes (n,) from how people write them."""
        if not self.classes:
            return actual.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        numbers = {name: float(number) for number, name in enumerate(self.classes)}
        found = actual.cast(pl.String).replace_strict(numbers, default=None, return_dtype=pl.Float64)
        return found.fill_null(float("nan")).to_numpy()

    def as_actual(self, outcomes: Vector) -> pl.Series:
        """Outcomes (n,) as people write them."""
        numbers = pl.Series(outcomes).fill_nan(None)
        if not self.classes:
            return numbers
        return pl.Series(self.classes, dtype=pl.String).gather(numbers.cast(pl.UInt32))

    def rule(self, sql: str) -> str | None:
        """The condition that known outcomes meet by a target's SQL, if there is one."""
        if not self.classes:
            return None
        words = ", ".join("'{}'".format(text.replace("'", "''")) for text in (*self.classes, *self._read_as))
        return f"CAST(({sql}) AS VARCHAR) IN ({words})"

    @property
    def _read_as(self) -> dict[str, str]:
        """Other texts for a class: a whole number may come as a float."""
        floats = {f"{name}.0": name for name in self.classes if re.fullmatch(r"-?\d+", name)}
        return {text: name for text, name in floats.items() if text not in self.classes}


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

    def likeliest(self, predictions: Mapping[str, float | None]) -> str | None:
        """The class that a row's predictions by column make the likeliest, the first of several; None where one is missing."""
        shares = [nan if (share := predictions[column]) is None else share for column in self.columns]
        if any(map(isnan, shares)):
            return None
        return self.task.classes[max(range(len(shares)), key=shares.__getitem__)]

    def likeliest_of(self, columns: Mapping[str, Vector]) -> pl.Series:
        """The same of many rows, from each column (n,) of predictions by its name; others may be among them."""
        p = self.together(columns)
        is_there = np.isfinite(p).all(axis=1)
        return self.task.as_actual(np.where(is_there, p.argmax(axis=1), np.nan))

    @property
    def means(self) -> tuple[str, ...]:
        """The names of what of outcomes has a mean: the target, or a column of its predictions for each class."""
        return self.columns if self.task.classes else (self.name,)

    def means_of(self, outcomes: Vector) -> dict[str, Vector]:
        """What of outcomes (n,) has a mean, by name: they themselves or, of classes, whether each came true: 1, 0, or NaN where
        unknown."""
        if not self.task.classes:
            return {self.name: outcomes}
        is_known = np.isfinite(outcomes)
        return {column: np.where(is_known, outcomes == k, np.nan) for k, column in enumerate(self.columns)}

    def expected_of(self, predictions: Matrix) -> dict[str, Vector]:
        """The same as predictions (n, k) expect it, by the same names; empty where they expect nothing of the kind."""
        if self.task.classes:
            return self.by_column(predictions)
        return {} if self.task.expected is None else {self.name: self.task.expected(predictions)}

    def plotted(self, plot: Plot, y: Vector, predictions: Matrix) -> dict[str, pl.DataFrame]:
        """The plot's tables by target or, where each class has one, by column, of outcomes (n,) and predictions (n, k)."""
        if not plot.of_each_class:
            return {self.name: plot.table(y, predictions)}
        return {
            column: plot.table((y == k).astype(np.float64), predictions[:, k : k + 1])
            for k, column in enumerate(self.columns)
        }

    def together(self, columns: Mapping[str, Vector]) -> Matrix:
        """Predictions (n, k) from their columns by name; others may be among them."""
        return np.column_stack([columns[name] for name in self.columns])


def first(predictions: Matrix) -> Vector:
    """The only column (n,) of predictions (n, 1)."""
    return predictions[:, 0]


def _named(target: str, suffixes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{target}_{suffix}" if suffix else target for suffix in suffixes)
