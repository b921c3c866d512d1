"""What a model's traffic is expected to look like, kept beside the model in its bundle.

about.json         the objective, and how the data count time: what is needed to judge, whatever the config says later
drift.json         calibrated scores of columns, predictions and targets
test.parquet       test rows with their predictions: what metrics are expected to be
reference.parquet  a sample of all rows before the cutoff, for Evidently
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from accord.data import splitting
from accord.errors import AccordError
from accord.expectation.calibration import MIN_VALUES, Calibration, calibrate
from accord.expectation.drift import KINDS, Kind
from accord.files import read_json, replacing, write_json
from accord.schema.config import Config
from accord.schema.data import Column, Data, Time
from accord.schema.objective import Objective
from accord.tasks.registry import all_of, task_of

FOLDER = "monitoring"
PREDICTED, ACTUAL = "predicted|", "actual|"
SCORE, ACTION = "policy|score", "policy|action"
BLOCK = "test|block"
"""The day of each row of test, or its group of rows. Names in the config can't hold a bar, so that none of these clash with a
column of the data."""
SUBJECT = "subject|block"
"""In the reference the group of subjects that each row is of, where rows have no time and the data name a subject."""
SPLIT = "split|name"
PLAIN_ACTION = "action"
"""What the action is called where no column of the data stands beside it."""
GROUPS = {"features": "features", "predictions": "predictions", "action": "predictions", "targets": "targets"}
"""What drift is looked for in, each calibrated by itself, and the group under which it is reported. Predictions and actions
share the false alarms of theirs: weights of the policy change the one calibration alone."""
SHARES = {"features": 0.5, "predictions": 0.25, "targets": 0.25}
"""The parts of drift's accepted false alarms that the distances of each group may raise. Half of a part is calibrated for (see
calibration.calibrate), which leaves as much for means and for what columns are only together."""
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
    """By column of the targets' predictions what one would predict without a model."""
    drift: dict[str, Calibration]
    """By group of columns; one with too few rows to calibrate is missing."""
    test: pl.DataFrame
    reference: pl.DataFrame


@dataclass(frozen=True)
class Undecided:
    """What of an expectation holds whatever the policy makes of the predictions."""

    drift: dict[str, Calibration]
    test: pl.DataFrame
    reference: pl.DataFrame


def build(
    config: Config,
    columns: Mapping[str, Column],
    context: Iterable[str],
    rows: Mapping[str, pl.DataFrame],
    predictions: Mapping[str, pl.DataFrame],
) -> Undecided:
    """The expectation of the columns that a row brings and of its context, from the rows of the scored splits, with derived
    features, and their predictions. A model's predictions on rows that it was trained on are no reference; columns and outcomes are.

    It leaves with every bundle and image, so in the rows that it keeps what identifies a person is null, as in the log's.
    """
    targets = all_of(config.objective.targets)
    names = {column: f"{PREDICTED}{column}" for one in targets.values() for column in one.columns}
    splits = {split: rows[split].with_columns(predictions[split].rename(names)) for split in rows}
    everything = with_actuals(in_order(splits, config.data.time), config.objective)
    unseen = everything.filter(pl.col(SPLIT) != "train")
    personal = config.data.personal
    of_features: dict[str, Kind] = {
        name: KINDS[column.type]
        for name, column in columns.items()
        if column.role == "feature" and name not in personal
    }
    of_predictions: dict[str, Kind] = dict.fromkeys(names.values(), "number")
    of_targets: dict[str, Kind] = {
        f"{ACTUAL}{name}": "number" if target.task.outcome == "amount" else "category"
        for name, target in targets.items()
    }
    levels = {group: (1 - config.monitoring.level) * share for group, share in SHARES.items()}
    if config.objective.policy is not None:
        levels["predictions"] /= 2
    found = {
        "features": _calibrated(everything, of_features, levels["features"], config),
        "predictions": _calibrated(unseen, of_predictions, levels["predictions"], config),
        "targets": _calibrated(everything, of_targets, levels["targets"], config),
    }
    kept = [name for name in [*columns, *context] if name in everything.columns]
    outcomes = [name for name, column in config.data.columns.items() if column.role == "outcome"]
    shown = [*kept, *outcomes, *of_predictions, *of_targets]
    test = thinned(everything.filter(pl.col(SPLIT) == "test"), MAX_TEST_ROWS)
    dealt_by = [name for name in config.data.dealt_by if name in everything.columns] or kept
    blocks = splitting.blocks(test, dealt_by, config.data.time)
    unlearned = pl.when(pl.col(SPLIT) != "train")
    reference = _of_reference(everything, config.data).with_columns(
        unlearned.then(name).alias(name) for name in of_predictions
    )
    came_by = [] if config.data.time else comes_by(config.data)
    groups = [splitting.blocks(reference, came_by, None).alias(SUBJECT)] if came_by else []
    nobodys = [pl.lit(None, everything.schema[name]).alias(name) for name in shown if name in personal]
    return Undecided(
        {group: calibration for group, calibration in found.items() if calibration is not None},
        test.select(*shown).with_columns(*nobodys, blocks.alias(BLOCK)),
        reference.select(*shown).with_columns(*nobodys, *groups),
    )


def decided(
    config: Config,
    undecided: Undecided,
    rows: Mapping[str, pl.DataFrame],
    decisions: Mapping[str, pl.DataFrame],
    baselines: dict[str, float],
) -> Expectation:
    """The whole expectation, from the rows that the rest of it was built from and the policy's score and action for them; no
    decisions without a policy."""
    drift, test, reference, time = undecided.drift, undecided.test, undecided.reference, config.data.time
    if decisions:
        came_by = comes_by(config.data)
        splits = {
            split: one.rename({"score": SCORE, "action": ACTION}).with_columns(
                rows[split][name] for name in came_by
            )
            for split, one in decisions.items()
        }
        everything = in_order(splits, time)
        unseen = everything.filter(pl.col(SPLIT) != "train")
        level = (1 - config.monitoring.level) * SHARES["predictions"] / 2
        actions = unseen.select(*came_by, pl.col(ACTION).alias(PLAIN_ACTION))
        calibration = _calibrated(actions, {PLAIN_ACTION: "category"}, level, config)
        drift = drift if calibration is None else {**drift, "action": calibration}
        of_test = thinned(everything.filter(pl.col(SPLIT) == "test"), MAX_TEST_ROWS)
        unlearned = pl.when(pl.col(SPLIT) != "train").then(ACTION).alias(ACTION)
        of_reference = _of_reference(everything, config.data).select(unlearned, SCORE)
        test = test.with_columns(of_test[ACTION], of_test[SCORE])
        reference = reference.with_columns(of_reference[ACTION], of_reference[SCORE])
    return Expectation(
        config.objective, time, config.data.derived, config.data.slices, config.seed,
        config.monitoring.level, baselines, drift, test, reference,
    )  # fmt: skip


def in_order(splits: Mapping[str, pl.DataFrame], time: Time | None) -> pl.DataFrame:
    """The rows of all splits by event time, with the name of each row's split."""
    rows = pl.concat([part.with_columns(pl.lit(name).alias(SPLIT)) for name, part in splits.items()])
    return rows if time is None else rows.sort(time.event, maintain_order=True)


def _calibrated(
    rows: pl.DataFrame, kinds: Mapping[str, Kind], level: float, config: Config
) -> Calibration | None:
    """The columns' calibration at this share of false alarms; None with too few rows."""
    if rows.height < 2 * MIN_VALUES:
        return None
    came_by = next((rows[name] for name in comes_by(config.data)), None)
    time, subject = (came_by, None) if config.data.time else (None, came_by)
    return calibrate(rows, kinds, time, level=level, seed=config.seed, subject=subject)


def comes_by(data: Data) -> list[str]:
    """The column by which rows come together: the event's time, else the subject, if the data name one."""
    return [data.time.event] if data.time else [data.subject] if data.subject else []


def _of_reference(everything: pl.DataFrame, data: Data) -> pl.DataFrame:
    """About as many rows as are kept of the reference, evenly spread; where rows come by subject, all of those that are kept."""
    if data.time or not data.subject or everything.height <= MAX_REFERENCE_ROWS:
        return thinned(everything, MAX_REFERENCE_ROWS)
    number = pl.col(data.subject).cast(pl.String).fill_null("").rank("dense")
    return everything.filter(number % -(-everything.height // MAX_REFERENCE_ROWS) == 0)


def with_actuals(rows: pl.DataFrame, objective: Objective) -> pl.DataFrame:
    """The rows with each target's outcome as `actual|TARGET`, null where it can't be told."""
    return rows.with_columns(
        task_of(target).actual(rows, target.sql, f"objective.targets.{name}.sql").alias(f"{ACTUAL}{name}")
        for name, target in objective.targets.items()
    )


def thinned(rows: pl.DataFrame, n_rows: int) -> pl.DataFrame:
    """At most so many of the rows, evenly spread."""
    return rows if rows.height <= n_rows else rows.gather_every(-(-rows.height // n_rows))


def save(expectation: Expectation, folder: Path) -> None:
    with replacing(folder) as temporary:
        save_undecided(expectation, temporary)
        about = {
            "objective": expectation.objective.model_dump(mode="json"),
            "time": None if expectation.time is None else expectation.time.model_dump(),
            "derived": expectation.derived,
            "slices": expectation.slices,
            "seed": expectation.seed,
            "level": expectation.level,
            "baselines": expectation.baselines,
        }
        write_json(temporary / "about.json", about)


def save_undecided(expectation: Expectation | Undecided, folder: Path) -> None:
    folder.mkdir(parents=True)
    write_json(folder / "drift.json", {name: c.as_dict() for name, c in expectation.drift.items()})
    expectation.test.write_parquet(folder / "test.parquet")
    expectation.reference.write_parquet(folder / "reference.parquet")


def load_undecided(folder: Path) -> Undecided:
    return Undecided(
        {name: Calibration.from_dict(values) for name, values in read_json(folder / "drift.json").items()},
        pl.read_parquet(folder / "test.parquet"), pl.read_parquet(folder / "reference.parquet"),
    )  # fmt: skip


def load(folder: Path) -> Expectation:
    """The expectation of the bundle in the folder. Raises AccordError for a bundle that was made without one."""
    folder = folder / FOLDER
    if not (folder / "about.json").is_file():
        raise AccordError(
            f"The model in {folder.parent} was made without {FOLDER}/; make it again: dvc repro bundle"
        )
    about, undecided = read_json(folder / "about.json"), load_undecided(folder)
    objective = Objective.model_validate(about["objective"])
    return Expectation(
        objective,
        TypeAdapter(Time | None).validate_python(about["time"]),
        about["derived"], about["slices"], about["seed"], about["level"], about["baselines"],
        undecided.drift, _renamed(undecided.test, objective), _renamed(undecided.reference, objective),
    )  # fmt: skip


def _renamed(rows: pl.DataFrame, objective: Objective) -> pl.DataFrame:
    """The rows with our columns by their names, also if an earlier version wrote them under names that a column of the data may have."""
    before = {"block": BLOCK, **({} if objective.policy is None else {"score": SCORE, PLAIN_ACTION: ACTION})}
    is_earlier = {BLOCK, SCORE}.isdisjoint(rows.columns)
    return rows.with_columns(
        pl.col(old).alias(new) for old, new in before.items() if is_earlier and old in rows.columns
    )
