"""What a model's traffic is expected to look like, kept beside the model in its bundle.

about.json         the objective, and how the data count time: what is needed to judge, whatever the config says later
drift.json         calibrated scores of columns, predictions and targets
test.parquet       test rows with their predictions: what metrics are expected to be
reference.parquet  a sample of all rows before the cutoff, for Evidently
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from accord.config.schema import Config, Objective, Time
from accord.data import splitting
from accord.errors import AccordError
from accord.expressions import evaluate, with_derived
from accord.files import read_json, write_json
from accord.monitoring.calibration import MIN_VALUES, Calibration, calibrate
from accord.monitoring.drift import KINDS, Kind

FOLDER = "monitoring"
PREDICTED, ACTUAL = "predicted|", "actual|"
GROUPS = ("features", "predictions", "targets")
"""What drift is looked for in; each is calibrated by itself."""
MAX_TEST_ROWS = 50_000
MAX_REFERENCE_ROWS = 20_000


@dataclass(frozen=True)
class Expectation:
    objective: Objective
    time: Time | None
    derived: dict[str, str]
    slices: list[str]
    seed: int
    level: float
    baselines: dict[str, float]
    """By target what one would predict without a model."""
    drift: dict[str, Calibration]
    """By group of columns; one with too few rows to calibrate is missing."""
    test: pl.DataFrame
    reference: pl.DataFrame


def build(
    config: Config,
    contract: Mapping[str, Any],
    splits: Mapping[str, pl.DataFrame],
    baselines: dict[str, float],
) -> Expectation:
    """The expectation from the rows of the scored splits, each with its predictions as `predicted|TARGET`, `score` and
    `action`. A model's predictions on rows that it was trained on are no reference; columns and outcomes are.

    It leaves with every bundle and image, so in the rows that it keeps what identifies a person is null, as in the log's.
    """
    parts = [
        with_derived(part, config.data.derived).with_columns(split=pl.lit(name))
        for name, part in splits.items()
    ]
    rows = pl.concat(parts)
    if config.data.time is not None:
        rows = rows.sort(config.data.time.event, maintain_order=True)
    rows = with_actuals(rows, config.objective)
    unseen = rows.filter(pl.col("split") != "train")
    personal = config.data.personal
    features: dict[str, Kind] = {
        name: KINDS[column["type"]]
        for name, column in contract["columns"].items()
        if column["role"] == "feature" and name not in personal
    }
    predictions: dict[str, Kind] = {f"{PREDICTED}{name}": "number" for name in config.objective.targets}
    if config.objective.policy is not None:
        predictions["action"] = "category"
    targets: dict[str, Kind] = {
        f"{ACTUAL}{name}": "category" if target.task == "binary" else "number"
        for name, target in config.objective.targets.items()
    }
    calibrated = {
        group: calibrate(
            frame, kinds, None if config.data.time is None else frame[config.data.time.event],
            level=1 - config.monitoring.level, seed=config.seed,
        )
        for group, frame, kinds in zip(GROUPS, (rows, unseen, rows), (features, predictions, targets), strict=True)
        if frame.height >= 2 * MIN_VALUES
    }  # fmt: skip
    kept = [name for name in [*contract["columns"], *contract["context"]] if name in rows.columns]
    outcomes = [name for name, column in config.data.columns.items() if column.role == "outcome"]
    columns = [*kept, *outcomes, *predictions, *targets, *(["score"] if config.objective.policy else [])]
    test = thinned(rows.filter(pl.col("split") == "test"), MAX_TEST_ROWS)
    key = [name for name in config.data.key if name in rows.columns] or kept
    blocks = splitting.blocks(test, key, config.data.time)
    unlearned = pl.when(pl.col("split") != "train")
    reference = rows.with_columns(unlearned.then(name).alias(name) for name in predictions)
    nobodys = [pl.lit(None, rows.schema[name]).alias(name) for name in columns if name in personal]
    return Expectation(
        config.objective, config.data.time, config.data.derived, config.data.slices, config.seed,
        config.monitoring.level, baselines, calibrated,
        test.select(*columns).with_columns(*nobodys, block=blocks),
        thinned(reference, MAX_REFERENCE_ROWS).select(*columns).with_columns(nobodys),
    )  # fmt: skip


def with_actuals(rows: pl.DataFrame, objective: Objective) -> pl.DataFrame:
    """The rows with each target's outcome as `actual|TARGET`, null where it can't be told."""
    return rows.with_columns(
        evaluate(rows, target.sql, f"objective.targets.{name}.sql").fill_nan(None).alias(f"{ACTUAL}{name}")
        for name, target in objective.targets.items()
    )


def thinned(rows: pl.DataFrame, n_rows: int) -> pl.DataFrame:
    """At most so many of the rows, evenly spread."""
    return rows if rows.height <= n_rows else rows.gather_every(-(-rows.height // n_rows))


def save(expectation: Expectation, folder: Path) -> None:
    folder.mkdir(parents=True)
    write_json(
        folder / "about.json",
        {
            "objective": expectation.objective.model_dump(mode="json"),
            "time": None if expectation.time is None else expectation.time.model_dump(),
            "derived": expectation.derived,
            "slices": expectation.slices,
            "seed": expectation.seed,
            "level": expectation.level,
            "baselines": expectation.baselines,
        },
    )
    write_json(folder / "drift.json", {name: c.as_dict() for name, c in expectation.drift.items()})
    expectation.test.write_parquet(folder / "test.parquet")
    expectation.reference.write_parquet(folder / "reference.parquet")


def load(folder: Path) -> Expectation:
    """The expectation of the bundle in the folder. Raises AccordError for a bundle that was made without one."""
    folder = folder / FOLDER
    if not (folder / "about.json").is_file():
        raise AccordError(
            f"The model in {folder.parent} was made without {FOLDER}/; make it again: dvc repro bundle"
        )
    about = read_json(folder / "about.json")
    return Expectation(
        Objective.model_validate(about["objective"]),
        TypeAdapter(Time | None).validate_python(about["time"]),
        about["derived"], about["slices"], about["seed"], about["level"], about["baselines"],
        {name: Calibration.from_dict(values) for name, values in read_json(folder / "drift.json").items()},
        pl.read_parquet(folder / "test.parquet"), pl.read_parquet(folder / "reference.parquet"),
    )  # fmt: skip
