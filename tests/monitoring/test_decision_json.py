"""What is written of a decision stays as its readers know it: pages of the past, dashboards, the rules for retraining."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from on_disk import on_disk
from projects import Project
from shipped import shipped

from accord.bundle import interface
from accord.bundle.bundle import Bundle, load_bundle
from accord.config import lock
from accord.data import partitions
from accord.data.scored import Columns
from accord.expectation import expectation
from accord.files import read_json, write_json
from accord.monitoring.decision import decide
from accord.monitoring.health import Refused
from accord.schema.config import Config
from accord.schema.loop import Monitoring
from accord.schema.objective import Metric, Policy
from accord.sql.rows import with_derived

GOLDEN = Path(__file__).parent / "decision.json"
SETTINGS = shipped(Monitoring, min_rows=60)
POLICY = shipped(Policy, weights={"patience": 6.0}, score="patience - delay_minutes")
METRICS = {
    "surprise": shipped(
        Metric, team="riders", builtin="log_loss", target="late", description="of late rides", max=0.01
    ),
    "gap": shipped(Metric, team="riders", builtin="log_loss", target="late", group="is_long"),
    "long_rides": shipped(
        Metric, team="operations", sql="AVG(distance)", better="higher", unit="km", min=1, max=50
    ),
    "latency": shipped(Metric, team="operations", builtin="p99_ms", max=20),
    "memory": shipped(Metric, team="operations", builtin="memory_mb"),
}


class Formula:
    """A model that no training decides."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def raw(self, X: Any) -> Any:
        return (self.scale * (np.nan_to_num(np.asarray(X)).sum(axis=1) % 7 - 1))[:, None]


def test_decision_json_has_the_content_that_its_readers_know(project: Project, tmp_path: Path) -> None:
    decision = decide(*a_window_with_everything(project, tmp_path), SETTINGS, Refused(700, 40))
    write_json(tmp_path / "decision.json", decision.as_dict())
    assert rounded(read_json(tmp_path / "decision.json")) == rounded(read_json(GOLDEN))
    groups = {name: value for name, value in decision.as_dict().items() if name not in ("model", "notes")}
    assert all(groups.values()), "a group that is empty here is not looked at"
    assert len({alarm["kind"] for alarm in read_json(GOLDEN)["alarms"]}) >= 5


def rounded(value: Any) -> Any:
    """Numbers to six digits: processors differ in the last of sixteen."""
    return json.loads(json.dumps(value, sort_keys=True), parse_float=lambda text: f"{float(text):.6g}")


def a_window_with_everything(
    project: Project, folder: Path
) -> tuple[Bundle, expectation.Expectation, pl.DataFrame]:
    """Rides of test with a dead sensor, two models, outcomes of most rows, and a prediction that was altered."""
    config = lock.load(project.paths)
    trained = load_bundle(project.paths.bundle)
    bundle = replace(
        trained,
        manifest={**trained.manifest, "model_id": "m1"},
        policy=POLICY,
        models={"late": Formula(0.3), "delay_minutes": Formula(1.5)},  # type: ignore[dict-item]
    )
    rows = partitions.read(project.paths.splits / "test")
    return bundle, expected(config, bundle, rows, folder), logged(rows, bundle)


def expected(config: Config, bundle: Bundle, rows: pl.DataFrame, folder: Path) -> expectation.Expectation:
    objective = config.objective.model_copy(update={"policy": POLICY, "metrics": METRICS})
    config = config.model_copy(update={"objective": objective})
    answers = bundle.answer(with_derived(rows, config.data.derived))
    predictions = Columns({name: answers[name] for name in bundle.targets})
    decisions = Columns({name: answers[name] for name in ("score", "action")})
    splits = on_disk({"tune": rows, "test": rows}, config, folder)
    contract = interface.contract(config.data, bundle.transform, config.objective)
    undecided = expectation.build(
        config, contract.columns, contract.context, splits, dict.fromkeys(splits, predictions)
    )
    means = {"late": 0.3, "delay_minutes": 8.0}
    return expectation.decided(config, undecided, splits, dict.fromkeys(splits, decisions), means)


def logged(rows: pl.DataFrame, bundle: Bundle) -> pl.DataFrame:
    """The rows as `traffic.outcomes.labelled` has them, after the sensor of rain has died, and distances and delays have grown."""
    rows = rows.with_columns(rain=pl.lit(None, pl.Float64), distance=pl.col("distance") * 3)
    answers, n = bundle.answer(rows), rows.height
    i = pl.int_range(n, eager=True)
    at = pl.select(datetime(2026, 1, 1, tzinfo=UTC) + i * timedelta(seconds=1)).to_series()
    return pl.DataFrame({
        "prediction_id": i.cast(pl.String).str.zfill(6), "at": at, "latency_us": 500 + i * 100,
        "model": ["m0" if k < 5 else "m1" for k in range(n)],
        "predicted|late": answers["late"] + np.where(i == 50, 1e-9, 0),
        "predicted|delay_minutes": answers["delay_minutes"],
        "score": answers["score"], "action": answers["action"],
        **{f"row|{name}": rows[name] for name in [*bundle.columns, *bundle.context]},
        **{f"outcome|{name}": rows[name] * 3 if name == "delay" else rows[name] for name in bundle.outcomes},
        "outcome_at": pl.Series([None if k % 5 == 1 else one for k, one in enumerate(at)], dtype=at.dtype),
    })  # fmt: skip
