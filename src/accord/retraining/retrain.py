"""Retrain: decides whether a training is due and, if so, carries it out up to the promotion or its refusal.

The decision is written to a plan, which is renamed into place before anything else changes, and stays until its line is in
the decision log. Each step may be repeated without harm, so after a kill the next call carries the plan out from its start:

    collect, take in    a prediction gets into one batch, and a batch into the list once
    the cutoff          params.yaml is renamed into place, with the same content
    dvc repro           runs only the stages that are not done
    promote             champion.json is renamed into place; the plan names the champion before it
    log                 a line has the plan's id
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from msgspec import UNSET
from uuid_utils import uuid7

from accord import dvc, jsonl, pipeline, terminal
from accord.config import lock, selection
from accord.config.selection import Selection
from accord.data.partitions import local
from accord.errors import AccordError
from accord.files import read_as, read_json, write_json
from accord.monitoring.alarms import Alarm
from accord.paths import Paths
from accord.promotion import data_sets, releases
from accord.promotion.judge import PASS
from accord.retraining import collect, decision_log, rules
from accord.retraining.decision_log import Line, Plan
from accord.retraining.rules import Due, Evidence, Training
from accord.schema.config import Config
from accord.schema.data import Data
from accord.training.cost import training_cpu_s


@dataclass(frozen=True)
class _Watched:
    """What retraining reads of the window that a decision is about."""

    end: datetime | None


@dataclass(frozen=True)
class _Monitored:
    """What retraining reads of the monitoring's decision.json."""

    model: str
    window: _Watched
    alarms: list[Alarm]


def retrain(now: bool, cutoff: date | None, paths: Paths) -> Line:
    """Decides on a training, carries it out, and returns the line that it added to the log.

    With `now` the rule isn't asked. `cutoff` is the day before which the new rows end; if it is None, they end where the
    monitored window does. Raises AccordError if the rule needs a decision of the monitoring that doesn't exist, or if the
    cutoff would move back.
    """
    with dvc.alone(paths):
        if paths.retraining_plan.exists():
            plan = read_as(paths.retraining_plan, Plan)
            terminal.say(f"Carrying out what was decided at {plan.at}: {plan.reason}")
        else:
            plan = _planned(lock.load(paths), now, cutoff, paths)
            if plan.action == decision_log.KEPT:
                kept = decision_log.line(plan)
                decision_log.append(paths.retraining_log, kept)
                return kept
            write_json(paths.retraining_plan, plan)
        try:
            record = _carried_out(plan, paths)
        except (AccordError, SystemExit) as error:
            why = str(error) if isinstance(error, AccordError) else f"dvc repro ended with {error.code}"
            taken_in = _taken_in(plan, paths)
            failed = decision_log.line(plan, action=decision_log.FAILED, outcome=[why], batches=taken_in)
            _finish(failed, paths)
            raise
        _finish(record, paths)
        return record


def moved(chosen: Selection, cutoff: date | None, window: str, conf: Path) -> Selection:
    """The selection with this cutoff, and with a train split as long as the window says."""
    if cutoff is None:
        return chosen
    stretch = "null" if window == "expanding" else window
    return selection.with_words(chosen, [f"data.split.cutoff={cutoff}", f"data.split.train={stretch}"], conf)


def _planned(config: Config, now: bool, cutoff: date | None, paths: Paths) -> Plan:
    """The decision, as a plan that is carried out if a training is due."""
    data_sets.check_champion(config.data.name, paths, "Retraining would not replace it: select {} again")
    settings, split = config.retraining, config.data.split
    decision = read_as(paths.decision, _Monitored) if paths.decision.exists() else None
    if decision is None and settings.when in ("drift", "quality") and not now:
        raise AccordError(
            f"{paths.decision} is missing, which the rule {settings.when} goes by; watch the traffic first: accord monitor"
        )
    model = _in_use(paths)
    if decision is not None and decision.model != model:
        if settings.when in ("drift", "quality") and not now:
            raise AccordError(
                f"{paths.decision} is about {decision.model}, but {model} is in use; watch its traffic first: accord monitor"
            )
        decision = replace(decision, alarms=[])
    cutoff = cutoff or _window_end(config.data, decision, paths)
    if cutoff is not None and split.cutoff is not None and cutoff < split.cutoff:
        raise AccordError(
            f"The cutoff would go back from {split.cutoff} to {cutoff}; expected a later day. Give one: --cutoff"
        )
    day = cutoff or datetime.now(UTC).date()
    alarms = [] if decision is None else decision.alarms
    due = (
        Due(True, "asked for by hand", Evidence())
        if now
        else rules.due(settings, alarms, _trainings(paths), day)
    )
    return Plan(
        id=str(uuid7()),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        action=decision_log.DUE if due.due else decision_log.KEPT,
        reason=due.reason,
        evidence=due.evidence,
        cutoff=day,
        window=settings.window,
        champion=releases.champion_id(paths),
        batches=[batch.file for batch in collect.listed(paths.batch_list)],
    )


def _in_use(paths: Paths) -> str | None:
    """The id of the champion; before the first promotion that of the candidate."""
    champion = releases.champion_id(paths)
    if champion is not None or not paths.manifest.exists():
        return champion
    return str(read_json(paths.manifest)["model_id"])


def _window_end(data: Data, decision: _Monitored | None, paths: Paths) -> date | None:
    """The day, in the data's zone, whose beginning is nearest to the end of the monitored window; None for data without
    time."""
    if data.time is None:
        return None
    if decision is None or decision.window.end is None:
        raise AccordError(
            f"It is not known how far the rows reach: {paths.decision} is missing or has no rows. Watch the traffic, "
            "accord monitor, or say it: --cutoff DATE"
        )
    last = pl.Series([decision.window.end])
    nearest: datetime = pl.select(local(pl.lit(last), data.time.zone).dt.offset_by("12h")).item()
    return nearest.date()


def _carried_out(plan: Plan, paths: Paths) -> Line:
    """Carries the plan out; returns its line for the log."""
    config = lock.load(paths)
    collect.collect(config, paths)
    collect.take_in(config.data.name, paths)
    has_time = config.data.time is not None
    cutoff = plan.cutoff if has_time else None
    chosen = moved(selection.read(paths), cutoff, plan.window, paths.conf)
    selection.write(chosen, paths.params)
    dvc.reproduce(paths)
    card = pipeline.candidate(paths).card
    candidate, champion = card.candidate, releases.champion(paths)
    action, outcome = decision_log.PROMOTED, card.reasons
    if champion is not None and champion.model_id == candidate != plan.champion:  # promoted before a kill
        outcome = [champion.reason]
    elif card.verdict == PASS:
        releases.promote(card, None, paths)
    else:
        action = decision_log.REFUSED
    return decision_log.line(
        plan,
        action=action,
        outcome=outcome,
        candidate=candidate,
        nth_try=UNSET if card.attempt is None else card.attempt.n,
        cpu_s=_cost(paths),
        batches=_taken_in(plan, paths),
    )


def _taken_in(plan: Plan, paths: Paths) -> list[str]:
    """The batches in use that were not in use when the plan was made."""
    return [batch.file for batch in collect.listed(paths.batch_list) if batch.file not in plan.batches]


def _trainings(paths: Paths) -> list[Training]:
    """The trainings in the log, and that of models/bundle, which may have been started by hand. A bundle whose training then
    failed doesn't count."""
    records = jsonl.in_order(jsonl.read(paths.retraining_log, Line))
    known = decision_log.trainings(records)
    tried = {record.cutoff for record in records if record.action != decision_log.KEPT}
    if paths.manifest.exists():
        cutoff = read_json(paths.manifest)["data"]["split"]["cutoff"]
        if cutoff is not None and (day := date.fromisoformat(cutoff)) not in tried:
            known.append(Training(day, _cost(paths) or 0.0))
    return sorted(known, key=lambda training: training.on)


def _cost(paths: Paths) -> float | None:
    """The processor seconds of the candidate's training."""
    models = paths.bundle / "models"
    return training_cpu_s(models, paths) if models.is_dir() else None


def _finish(record: Line, paths: Paths) -> None:
    decision_log.append(paths.retraining_log, record)
    paths.retraining_plan.unlink(missing_ok=True)
