"""What a model's traffic is expected to look like, kept beside the model in its bundle.

about.json         the objective, and how the data count time: what is needed to judge, whatever the config says later
drift.json         calibrated scores of columns, predictions and targets
test.parquet       test rows with their predictions: what metrics are expected to be
reference.parquet  a sample of all rows before the cutoff, for Evidently
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from accord.data import splitting
from accord.data.scored import Columns, Rows
from accord.errors import AccordError
from accord.expectation.calibration import MIN_VALUES, Calibration, calibrate
from accord.expectation.drift import KINDS, Kind
from accord.expectation.ordered import SPLIT, Ordered, Places, in_order
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
MAX_CALIBRATED_ROWS = 2_000_000
"""Drift is calibrated on no more rows, in runs of neighbours."""
MAX_CELLS = 8_000_000
"""Values that are in memory at once for this: of more, some columns after the others are read."""


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
    rows: Mapping[str, Rows],
    predictions: Mapping[str, Columns],
) -> Undecided:
    """The expectation of the columns that a row brings and of its context, from the rows of the scored splits and their
    predictions. A model's predictions on rows that it was trained on are no reference; columns and outcomes are.

    It leaves with every bundle and image, so in the rows that it keeps what identifies a person is null, as in the log's.
    """
    data, time = config.data, config.data.time
    targets = all_of(config.objective.targets)
    names = {column: f"{PREDICTED}{column}" for one in targets.values() for column in one.columns}
    beside = {
        split: Columns({names[name]: values for name, values in one.of.items()})
        for split, one in predictions.items()
    }
    outcomes = {f"{ACTUAL}{name}": (name, target) for name, target in config.objective.targets.items()}
    ordered = in_order(rows, beside, outcomes, time)
    unseen = [split for split in rows if split != "train"]
    of_features: dict[str, Kind] = {
        name: KINDS[column.type]
        for name, column in columns.items()
        if column.role == "feature" and name not in data.personal
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
        "features": _calibrated(ordered, [*rows], of_features, levels["features"], config),
        "predictions": _calibrated(ordered, unseen, of_predictions, levels["predictions"], config),
        "targets": _calibrated(ordered, [*rows], of_targets, levels["targets"], config),
    }
    kept = [name for name in [*columns, *context] if name in ordered.columns]
    raw = [name for name, column in data.columns.items() if column.role == "outcome"]
    shown = [*kept, *raw, *of_predictions, *of_targets]
    dealt_by = [name for name in data.dealt_by if name in ordered.columns] or kept
    events = [] if time is None else [time.event]
    test = ordered.gathered(
        ordered.spread(["test"], MAX_TEST_ROWS), [*dict.fromkeys([*shown, *dealt_by, *events])]
    )
    blocks = splitting.blocks(test, dealt_by, time)
    came_by = comes_by(data)
    places = _of_reference(ordered, data)
    reference = ordered.gathered(places, [*dict.fromkeys([*shown, *came_by, SPLIT])])
    unlearned = pl.when(pl.col(SPLIT) != "train")
    reference = reference.with_columns(unlearned.then(name).alias(name) for name in of_predictions)
    groups = [] if time else [splitting.blocks(reference, came_by, None).alias(SUBJECT) for _ in came_by]
    nobodys = [pl.lit(None, test.schema[name]).alias(name) for name in shown if name in data.personal]
    return Undecided(
        {group: calibration for group, calibration in found.items() if calibration is not None},
        test.select(*shown).with_columns(*nobodys, blocks.alias(BLOCK)),
        reference.select(*shown).with_columns(*nobodys, *groups),
    )


def decided(
    config: Config,
    undecided: Undecided,
    rows: Mapping[str, Rows],
    decisions: Mapping[str, Columns],
    baselines: dict[str, float],
) -> Expectation:
    """The whole expectation, from the rows that the rest of it was built from and the policy's score and action for them; no
    decisions without a policy."""
    drift, test, reference, time = undecided.drift, undecided.test, undecided.reference, config.data.time
    if decisions:
        beside = {
            split: Columns({SCORE: one.of["score"], ACTION: one.of["action"]})
            for split, one in decisions.items()
        }
        ordered = in_order(rows, beside, {}, time)
        unseen = [split for split in rows if split != "train"]
        level = (1 - config.monitoring.level) * SHARES["predictions"] / 2
        calibration = _calibrated(
            ordered, unseen, {ACTION: "category"}, level, config, {ACTION: PLAIN_ACTION}
        )
        drift = drift if calibration is None else {**drift, "action": calibration}
        of_test = ordered.gathered(ordered.spread(["test"], MAX_TEST_ROWS), [ACTION, SCORE])
        of_reference = ordered.gathered(_of_reference(ordered, config.data), [ACTION, SCORE, SPLIT])
        unlearned = pl.when(pl.col(SPLIT) != "train").then(ACTION).alias(ACTION)
        of_reference = of_reference.select(unlearned, SCORE)
        test = test.with_columns(of_test[ACTION], of_test[SCORE])
        reference = reference.with_columns(of_reference[ACTION], of_reference[SCORE])
    return Expectation(
        config.objective, time, config.data.derived, config.data.slices, config.seed,
        config.monitoring.level, baselines, drift, test, reference,
    )  # fmt: skip


def _calibrated(
    ordered: Ordered, splits: Sequence[str], kinds: Mapping[str, Kind], level: float, config: Config,
    called: Mapping[str, str] | None = None,
) -> Calibration | None:  # fmt: skip
    """The columns' calibration at this share of false alarms, by the names that they are called; None with too few rows."""
    data, called = config.data, called or {}
    if data.time or not data.subject:
        places = ordered.runs(splits, MAX_CALIBRATED_ROWS)
    else:
        places = ordered.of_subjects(splits, MAX_CALIBRATED_ROWS, data.subject)
    if len(places) < 2 * MIN_VALUES:
        return None
    rows = ordered.lazily(places, [*kinds, SPLIT], MAX_CELLS).rename(called)
    came_by = next((ordered.gathered(places, [name])[name] for name in comes_by(data)), None)
    time, subject = (came_by, None) if data.time else (None, came_by)
    named = {called.get(name, name): kind for name, kind in kinds.items()}
    return calibrate(rows, named, time, level=level, seed=config.seed, subject=subject)


def comes_by(data: Data) -> list[str]:
    """The column by which rows come together: the event's time, else the subject, if the data name one."""
    return [data.time.event] if data.time else [data.subject] if data.subject else []


def _of_reference(ordered: Ordered, data: Data) -> Places:
    """About as many rows as are kept of the reference, evenly spread; where rows come by subject, all of those that are kept."""
    if data.time or not data.subject:
        return ordered.spread(ordered.rows, MAX_REFERENCE_ROWS)
    return ordered.of_subjects(ordered.rows, MAX_REFERENCE_ROWS, data.subject)


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
