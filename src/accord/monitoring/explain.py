"""Explain: one prediction of the traffic log, from what it was made, by what and why."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from accord.bundle.bundle import Bundle, load_bundle
from accord.errors import AccordError
from accord.files import read_json
from accord.paths import Paths
from accord.promotion import releases
from accord.schema.serving import Traffic
from accord.serving import bento
from accord.serving.requests import Decoder, InvalidRowError
from accord.sql.rows import TYPES, with_derived
from accord.traffic import outcomes, reading, typed

Values = Mapping[str, Any]
"""By name, each of its column's type."""


@dataclass(frozen=True)
class Logged:
    """A prediction as the log has it, with its latest outcome."""

    prediction_id: str
    at: datetime
    latency_us: int
    model: str
    key: str | None
    warnings: list[str]
    config: str
    code: str | None
    """Of the service; None in a log of before it was noted."""
    weights: dict[str, float]
    """Those of the policy that were set while the service ran."""
    score: float | None
    action: bool | None
    probability: float | None
    """Of the action, where actions are explored."""
    row: Values
    predicted: Values
    outcome: Values
    """Empty until it is known."""
    outcome_at: datetime | None


@dataclass(frozen=True)
class Contribution:
    feature: str
    value: Any
    """The feature's; None for one that is missing, and for the constant."""
    amount: float
    """What it adds to the raw score."""


@dataclass(frozen=True)
class Recomputed:
    """The same row, answered again."""

    answer: Values
    """Predictions, score and action."""
    contributions: dict[str, list[Contribution]]
    """Of each target, the largest first."""


@dataclass(frozen=True)
class Explanation:
    logged: Logged
    found: tuple[Path, Bundle] | None
    """The model that made it, with the policy's weights of that moment."""
    recomputed: Recomputed | None
    problem: str | None
    """Why something of this is missing."""

    @property
    def differences(self) -> list[str]:
        """What came out otherwise this time, in words."""
        if self.recomputed is None:
            return []
        before = dict(self.logged.predicted)
        if self.found is not None and self.found[1].policy is not None:
            before["score"] = self.logged.score
            if self.logged.probability is None:  # else the action was drawn
                before["action"] = self.logged.action
        return [
            f"{name} was {before.get(name)!r}, is {value!r} now"
            for name, value in self.recomputed.answer.items()
            if name in before and repr(before[name]) != repr(value)
        ]


def explain(prediction_id: str, settings: Traffic, paths: Paths) -> Explanation:
    """What is known of a prediction. Raises AccordError if it isn't in the log."""
    found_row = reading.find(paths.traffic, prediction_id, settings.postgres)
    if found_row is None:
        raise AccordError(
            f"No prediction '{prediction_id}' in the log; expected the prediction_id of an answer of the last {settings.retention_days} days that was not forgotten"
        )
    logged = _logged(found_row | outcomes.of(paths.traffic, found_row, settings.postgres))
    try:
        folder = bundle_folder(logged.model, paths)
        found = _with_weights(load_bundle(folder), logged.weights)
    except AccordError as error:
        return Explanation(logged, None, None, f"The model can't be loaded: {error}")
    explanation = Explanation(logged, (folder, found), None, None)
    try:
        return replace(explanation, recomputed=_recomputed(found, logged.row))
    except InvalidRowError as error:
        return replace(explanation, problem=f"Can't be recomputed: {error}")


def _logged(columns: Values) -> Logged:
    """From the columns of the log, of which `row|NAME`, `predicted|NAME` and `outcome|NAME` are values by name."""

    def values(prefix: str) -> Values:
        return {c.removeprefix(prefix): value for c, value in columns.items() if c.startswith(prefix)}

    return Logged(
        columns["prediction_id"],
        columns["at"],
        columns["latency_us"],
        columns["model"],
        columns["key"],
        columns["warnings"] or [],
        columns["config"],
        columns.get("code"),
        json.loads(columns["weights"] or "{}"),
        columns["score"],
        columns["action"],
        columns["probability"],
        values("row|"),
        values("predicted|"),
        values("outcome|"),
        columns.get("outcome_at"),
    )


def bundle_folder(model_id: str, paths: Paths) -> Path:
    """Where the model is: the candidate, a release, or inside a Bento. Raises AccordError if it is nowhere."""
    packaged = Paths(bento.folder(f"accord:{model_id}", paths) / "src").bundle
    for folder in (paths.bundle, paths.releases / model_id, packaged):
        manifest = folder / "manifest.json"
        if manifest.is_file() and read_json(manifest)["model_id"] == model_id:
            return folder
    if (paths.releases / f"{model_id}.dvc").is_file():
        return releases.restored(model_id, paths)
    raise AccordError(
        f"{model_id} is neither {paths.bundle}, nor a release, nor in a Bento of {paths.bentoml}; fetch the Bento that served it"
    )


def _with_weights(bundle: Bundle, weights: Mapping[str, float]) -> Bundle:
    """The bundle with these of its policy's weights set to other values."""
    if bundle.policy is None:
        return bundle
    changed = {**bundle.policy.weights, **weights}
    return replace(bundle, policy=bundle.policy.model_copy(update={"weights": changed}))


def _recomputed(bundle: Bundle, row: Values) -> Recomputed:
    """Raises InvalidRowError if the logged row isn't what the model saw."""
    hidden = [name for name, column in bundle.columns.items() if column.pii]
    if hidden:
        raise InvalidRowError(
            f"the log keeps no {', '.join(hidden)} as it was, which could identify a person"
        )
    frame = _frame(bundle, row)
    answer = {name: _finite(values.tolist()[0]) for name, values in bundle.answer(frame).items()}
    values = with_derived(frame, bundle.transform.derived).row(0, named=True)
    contributions = {}
    for target, amounts in bundle.explain(frame).items():
        parts = [Contribution(name, values.get(name), n) for name, n in amounts.row(0, named=True).items()]
        contributions[target] = sorted(parts, key=lambda part: -abs(part.amount))
    return Recomputed(answer, contributions)


def _frame(bundle: Bundle, row: Values) -> pl.DataFrame:
    """The logged row (1) as a table in the contract's types."""
    decoder = Decoder(bundle.columns, {}, max_rows=1, max_text=len(str(row)))
    logged = pl.DataFrame({f"row|{name}": [row.get(name)] for name in bundle.columns})
    read = logged.select(typed.as_declared(n, c, logged.schema) for n, c in bundle.columns.items()).row(
        0, named=True
    )
    for name, column in bundle.columns.items():
        if read[name] is None and row.get(name) is not None:
            raise InvalidRowError(f"{name}: the log has {row[name]!r}; expected {column.type}")
    [decoded] = decoder.converted([{name: value for name, value in read.items() if value is not None}])
    return pl.DataFrame(
        {name: [getattr(decoded, name)] for name in bundle.columns},
        schema={name: TYPES[column.type] for name, column in bundle.columns.items()},
    )


def _finite(value: Any) -> Any:
    """What of a value the log can keep."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
