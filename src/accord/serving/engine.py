"""What answers rows: a bundle, ready for one row at a time without a table, and for many by the batch path.

Both give the same bits. A row alone takes the quick path where the bundle holds every expression in compiled form.
"""

import random
import re
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from math import isnan, nan
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from msgspec import UNSET, UnsetType

from accord.bundle.bundle import Bundle, unseen
from accord.schema.serving import Serving
from accord.serving.answers import Classified
from accord.serving.intake import Intake
from accord.serving.requests import Decoder, InvalidRowError, Row
from accord.sql import compiled
from accord.sql.rows import TYPES, NotComputedError, columns_of, with_derived
from accord.tasks.task import Predicted
from accord.traffic.pii import Pseudonyms
from accord.traffic.records import key_text

EPOCH = datetime(1970, 1, 1)
UNSEEN = object()
FEW_VALUES = {"integer", "category", "boolean"}
N_REMEMBERED = 4096
Values = Mapping[str, Any]
RawScores = Callable[[], Sequence[float]]
Link = Callable[[Sequence[float]], float]


class Answered(NamedTuple):
    """What is known of a row once it is answered."""

    predictions: dict[str, float]
    score: float | None
    action: bool | None
    warnings: list[str]
    probability: float | None = None
    """Of the action taken, where actions are explored."""


@dataclass(frozen=True)
class Engine:
    """A bundle that answers rows. Its policy's weights are the bundle's, or those that were set in their place."""

    bundle: Bundle
    decoder: Decoder
    explore: float
    weights: dict[str, float] | None
    quick: "OneRow | None"
    logging: "Logging"
    intake: Intake
    classified: Sequence[Predicted]
    """The targets that have classes."""

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        settings: Serving,
        pseudonyms: Callable[[], Pseudonyms],
        weights: dict[str, float] | None = None,
    ) -> "Engine":
        if weights is not None and bundle.policy is not None:
            changed = bundle.policy.model_copy(update={"weights": {**bundle.policy.weights, **weights}})
            bundle = replace(bundle, policy=changed)
        decoder = Decoder(bundle.columns, bundle.context, settings.max_rows, settings.max_text)
        quick = None if None in bundle.compiled.values() else OneRow(bundle)
        known = {**bundle.columns, **bundle.context}
        intake = Intake(bundle.outcomes, {name: known[name] for name in bundle.key}, pseudonyms, settings)
        classified = [target for target in bundle.predicted.values() if target.task.classes]
        return cls(
            bundle, decoder, settings.explore, weights, quick, Logging(bundle, pseudonyms), intake, classified
        )

    def answer_quickly(self, rows: Sequence[Row]) -> list[Answered]:
        """Answers for few rows; for one thread only. Raises InvalidRowError for the first that breaks a rule."""
        if self.quick is None:
            return self.answer(rows)
        try:
            return [self.quick(row, i) for i, row in enumerate(rows)]
        except (
            ArithmeticError,
            TypeError,
            ValueError,
        ):  # a row that Python can't hold, or that an expression has no value for
            return self.answer(rows)

    def answer(self, rows: Sequence[Row]) -> list[Answered]:
        """Answers for rows (n) by the batch path. Raises InvalidRowError for the first that breaks a rule, or that a
        derived feature or the policy has no value for."""
        frame = self.frame(rows)
        try:
            self._keep_rules(frame)
            columns = {name: values.tolist() for name, values in self.bundle.answer(frame).items()}
        except NotComputedError as error:
            name = re.split(r"[.|]", error.where)[-1]
            raise InvalidRowError(
                f"rows[{error.index}]: {name} can't be computed from its values: {error.sql}"
            ) from error
        predictions, has_policy = self.bundle.predictions, self.bundle.policy is not None
        return [
            Answered(
                {name: columns[name][i] for name in predictions},
                _number(columns["score"][i]) if has_policy else None,
                columns["action"][i] if has_policy else None,
                warnings,
            )
            for i, warnings in enumerate(self.bundle.warnings(frame))
        ]

    def classes(self, predictions: Mapping[str, float | None]) -> dict[str, Classified] | UnsetType:
        """What a row's predictions by column say of each target that has classes, if there is one."""
        return {
            target.name: Classified(
                target.likeliest(predictions),
                {
                    text: predictions[column]
                    for text, column in zip(target.task.classes, target.columns, strict=True)
                },
            )
            for target in self.classified
        } or UNSET

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """The rows (n) as a table in the contract's types."""
        columns = {**self.bundle.columns, **self.bundle.context}
        return pl.DataFrame(
            {name: [getattr(row, name) for row in rows] for name in columns},
            schema={name: TYPES[column.type] for name, column in columns.items()},
        )

    def _keep_rules(self, frame: pl.DataFrame) -> None:
        kept = with_derived(frame, {f"rule|{name}": sql for name, sql in self.bundle.rules.items()})
        for name, sql in self.bundle.rules.items():
            broken = (~kept[f"rule|{name}"].fill_null(True)).arg_true()
            if len(broken):
                raise InvalidRowError(_breach(broken[0], name, sql))

    def explored(self, answered: list[Answered]) -> list[Answered]:
        """The same answers, or by chance other actions: each action as likely as the other for the share of rows that explores."""
        if not self.explore or self.bundle.policy is None:
            return answered
        explored = []
        for one in answered:
            action = random.random() < 0.5 if random.random() < self.explore else one.action
            probability = self.explore / 2 + (1 - self.explore if action == one.action else 0)
            explored.append(one._replace(action=action, probability=probability))
        return explored


class OneRow:
    """Answers one row, without a table, from the compiled forms of the bundle's expressions. Not for two threads at once."""

    def __init__(self, bundle: Bundle) -> None:
        trees = {name: tree for name, tree in bundle.compiled.items() if tree is not None}
        functions = {name: compiled.function(tree) for name, tree in trees.items()}
        encodings = list(enumerate(bundle.transform.encodings))
        self._numbers = array("d", [0.0] * len(encodings))
        plain = {name for name, kind in bundle.types.items() if kind in ("integer", "number", "boolean")}
        self._plain = [(j, e.name) for j, e in encodings if e.name in plain]
        self._categories = [
            (j, e.name, _codes(e.levels), e.name in bundle.columns)
            for j, e in encodings
            if e.levels is not None
        ]
        self._others = [(j, e.name) for j, e in encodings if e.levels is None and e.name not in plain]
        self._derived = [
            (name, _remembering(functions[f"data.derived.{name}"], columns_of(sql, name), bundle.types))
            for name, sql in bundle.transform.derived.items()
        ]
        self._rules = [(name, sql, functions[f"data.rules.{name}"]) for name, sql in bundle.rules.items()]
        self._models = [
            column
            for name, target in bundle.predicted.items()
            for column in _columns(target, bundle.models[name].of_row(self._numbers))
        ]
        self._weights = None if bundle.policy is None else bundle.policy.weights
        self._score = functions.get("objective.policy.score")
        self._action = functions.get("objective.policy.action")

    def __call__(self, row: Row, index: int) -> Answered:
        values = msgspec.structs.asdict(row)
        for name, sql, holds in self._rules:
            if holds(values) is False:
                raise InvalidRowError(_breach(index, name, sql))
        for name, derived in self._derived:
            values[name] = derived(values)
        numbers, warnings = self._numbers, []
        for j, name in self._plain:
            numbers[j] = nan if (value := values[name]) is None else value
        for j, name, codes, is_given in self._categories:
            code = codes.get(level := values[name])
            if code is None:
                code = codes[UNSEEN]
                if is_given:
                    warnings.append(unseen(name, level))
            numbers[j] = code
        for j, name in self._others:
            numbers[j] = _as_number(values[name])
        predictions = {name: link(raw()) for name, raw, link in self._models}
        if self._weights is None:
            return Answered(predictions, None, None, warnings)
        values |= self._weights
        values |= predictions
        score = self._score(values)  # type: ignore[misc]
        values["score"] = score = None if score is None else float(score)
        return Answered(predictions, _number(score), self._action(values) == 1, warnings)  # type: ignore[misc]


class Logging:
    """Rows as the traffic log keeps them: with their key, and without what the config calls personal."""

    def __init__(self, bundle: Bundle, pseudonyms: Callable[[], Pseudonyms]) -> None:
        columns = {**bundle.columns, **bundle.context}
        self._key = bundle.key
        several = len(bundle.key) > 1
        self._key_of = (
            attrgetter(*bundle.key) if several else lambda row: [getattr(row, n) for n in bundle.key]
        )
        self._hashed = [name for name, column in columns.items() if column.pii == "hash"]
        self._dropped = [name for name, column in columns.items() if column.pii == "drop"]
        self._personal = frozenset((*self._hashed, *self._dropped))
        self._pseudonym = pseudonyms().of if self._hashed else None

    def __call__(self, row: Row) -> tuple[Any, str | None]:
        """The row to keep, and its key if the request brought all of it."""
        if not self._personal:
            key = self._key_of(row)
            return row, None if not key or None in key else key_text(key)
        kept = {name: value for name, value in msgspec.structs.asdict(row).items() if value is not None}
        for name in self._dropped:
            kept.pop(name, None)
        for name in self._hashed:
            if name in kept:
                kept[name] = self._pseudonym(kept[name])  # type: ignore[misc]
        key = [kept.get(name) for name in self._key]
        return kept, None if not key or None in key else key_text(key)

    def words(self, text: str) -> str:
        """A warning or a refusal's reason as the log keeps it: values that it quotes are left out if they are personal."""
        place, _, rest = text.partition(": ")
        return f"{place}: (not kept)" if rest and place.rpartition(".")[2] in self._personal else text


def _columns(target: Predicted, raw: RawScores) -> list[tuple[str, RawScores, Link]]:
    """Each column of the target's predictions with two functions, of which the second takes what the first gives to the
    prediction. The columns are to be asked for in their order: the first computes them all."""
    if target.loss.link_of_row is not None and len(target.columns) == 1:
        return [(target.columns[0], raw, target.loss.link_of_row)]
    link, latest = target.loss.link, [0.0] * len(target.columns)

    def computed() -> Sequence[float]:
        latest[:] = link(np.array([raw()], dtype=np.float64))[0].tolist()
        return latest

    functions = [computed, *[lambda: latest] * (len(latest) - 1)]
    return [(column, functions[j], itemgetter(j)) for j, column in enumerate(target.columns)]


def _remembering(
    function: compiled.RowFunction, columns: Collection[str], types: Mapping[str, str]
) -> compiled.RowFunction:
    """The function, which recalls its last values where all it reads are columns of few values, such as a date's parts."""
    if len(columns) < 2 or not all(types.get(name) in FEW_VALUES for name in columns):
        return function
    key_of = itemgetter(*columns)
    recalled = lru_cache(N_REMEMBERED)(lambda key: function(dict(zip(columns, key, strict=True))))
    return lambda values: recalled(key_of(values))


def _codes(levels: Sequence[str]) -> dict[Any, float]:
    """The number of each level of a category, of None, and of a level that training hardly saw, as features.Transform has them."""
    known = {level: float(code) for code, level in enumerate(levels)}
    return {**known, UNSEEN: float(len(levels)), None: float(len(levels) + 1)}


def _as_number(value: Any) -> float:
    if value is None:
        return nan
    if isinstance(value, date):  # a datetime is one too
        since = (
            value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        ) - EPOCH
        return float((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
    return float(value)


def _number(value: float | None) -> float | None:
    return None if value is None or isnan(value) else value


def _breach(index: int, name: str, sql: str) -> str:
    return f"rows[{index}]: breaks the rule {name}; expected {sql}"
