"""Simulate: the months after the cutoff, served, watched and retrained on by several policies side by side.

Each policy is an option of conf/retraining. In every period its champion answers the rows as the batch path does, the
monitoring decides on what was known at the period's end, the rule decides, the pipeline trains, the judge judges. All of
these are what the commands run. A training with the same rows is one training, whoever asks for it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from accord import dvc, intervals, terminal
from accord.bootstrap import Blocks
from accord.config import compose, selection
from accord.data import splitting
from accord.data.partitions import local
from accord.errors import AccordError, nearest
from accord.intervals import Estimate
from accord.monitoring.alarms import Alarm
from accord.monitoring.decision import decide
from accord.objective import teams
from accord.objective.teams import Played
from accord.paths import Paths
from accord.promotion.card import Scorecard
from accord.promotion.judge import PASS
from accord.retraining import decision_log, rules
from accord.retraining.rules import Due, Evidence, Training
from accord.retraining.sandbox import Model, Workshop, opened, told_by_rows
from accord.retraining.simulated import (
    Compared,
    End,
    Followed,
    PlayedPolicy,
    Served,
    Simulated,
    Stretch,
    Totals,
    Trained,
)
from accord.schema.config import Config
from accord.schema.loop import Retraining
from accord.schema.objective import Metric, Objective
from accord.tasks import registry

Answer = Mapping[str, NDArray[Any]]
"""Of each prediction, the score and the action, the values (n,)."""
Nudged = dict[str, tuple[Estimate, NDArray[np.float64], Blocks]]
"""Each metric's value, and its value on each resample of days."""
ByPeriod = Mapping[tuple[str, int], Nudged]
"""By a model's id and a period's number."""


@dataclass(frozen=True)
class Period:
    begin: date
    end: date
    rows: pl.DataFrame


@dataclass
class Policy:
    """An option of conf/retraining at work."""

    name: str
    settings: Retraining
    champion: Model
    trainings: list[Training]
    served: list[Model] = field(default_factory=list)
    """The champion of each period."""
    records: list[End] = field(default_factory=list)
    """What was decided at the end of each period."""


def simulate(
    policies: Sequence[str], begin: date | None, end: date | None, stretch: str, paths: Paths
) -> Simulated:
    """The report. Raises AccordError for data without time, and where no rows come after the beginning."""
    chosen = selection.read(paths)
    settings = {name: settings_of(chosen, name, paths.conf) for name in policies}
    if not re.fullmatch(r"\d+(mo|[dwqy])", stretch):
        raise AccordError(f"--period: '{stretch}' is no stretch of days; expected such as 1mo or 2w")
    config = compose_config(chosen, paths.conf)
    if config.data.time is None:
        raise AccordError(
            f"{config.data.name} has no time, so no month comes after another; simulate a data set with data.time"
        )
    begin = begin or config.data.split.cutoff
    if begin is None:
        raise AccordError(
            "data.split.cutoff is not set, so there is no future; say where it begins: --from DATE"
        )
    with dvc.alone(paths), opened(paths) as workshop:
        last = workshop.last_day()
        if last is None or last < begin:
            raise AccordError(
                f"No row of {config.data.name} comes after {begin}: the last is of {last}; begin earlier: --from DATE"
            )
        terminal.say(f"{begin}: training the first champion")
        first = workshop.train(begin, "expanding")
        periods = periods_of(workshop.future(), config, begin, end, stretch)
        played = Plays(workshop, workshop.config, first, periods)
        at_work = [
            Policy(name, one, first, [Training(begin, first.cpu_s or 0.0)]) for name, one in settings.items()
        ]
        for i, period in enumerate(periods):
            for policy in at_work:
                policy.served.append(policy.champion)
            end_of(period, i, at_work, played, workshop, is_last=i == len(periods) - 1)
            terminal.say(f"{period.end}: {_said(at_work)}")
        return played.report(at_work, stretch)


def compose_config(chosen: selection.Selection, conf: Path) -> Config:
    return Config.model_validate(compose.fitted(chosen, conf)[1])


def settings_of(chosen: selection.Selection, name: str, conf: Path) -> Retraining:
    valid = selection.options(conf)["retraining"]
    if name not in valid:
        raise AccordError(f"conf/retraining has no option '{name}'; {nearest(name, valid)}")
    return compose_config(selection.with_words(chosen, [f"retraining={name}"], conf), conf).retraining


def periods_of(
    future: pl.DataFrame, config: Config, begin: date, end: date | None, stretch: str
) -> list[Period]:
    """The future in stretches that begin where the one before ends, without those that have no row."""
    time_ = config.data.time
    assert time_ is not None
    day = future.select(day=local(pl.col(time_.event), time_.zone).dt.date())["day"]
    last: date = day.max()  # type: ignore[assignment]
    found, start, i = [], begin, 1
    while start < (end or _later(last, "1d", 1)):
        stop = _later(begin, stretch, i)
        stop = stop if end is None else min(stop, end)
        rows = future.filter((day >= start) & (day < stop))
        if rows.height:
            found.append(Period(start, stop, rows))
        start, i = stop, i + 1
    return found


def _later(day: date, stretch: str, times: int) -> date:
    count = int("".join(filter(str.isdigit, stretch))) * times
    unit = "".join(filter(str.isalpha, stretch))
    found: datetime = pl.Series([datetime.combine(day, time.min)]).dt.offset_by(f"{count}{unit}")[0]
    return found.date()


def end_of(
    period: Period, i: int, policies: Sequence[Policy], played: "Plays", workshop: Workshop, is_last: bool
) -> None:
    """Each policy decides at the period's end, and those that are due train, at the last end none: nobody would be served."""
    wanting: dict[str, list[Policy]] = {}
    for policy in policies:
        alarms = played.alarms(policy.champion, i)
        due = (
            Due(False, "the end of the simulation", Evidence(rules.counted(alarms)))
            if is_last
            else rules.due(policy.settings, alarms, policy.trainings, period.end)
        )
        policy.records.append(
            End(action=decision_log.KEPT, reason=due.reason, evidence=due.evidence, found=alarms)
        )
        if due.due:
            wanting.setdefault(policy.settings.window, []).append(policy)
    for window, due_ones in wanting.items():
        model = workshop.train(period.end, window)
        played.add(model)
        cards: dict[str, Scorecard] = {}
        for policy in due_ones:
            champion = policy.champion.bundle.model_id
            if champion not in cards:
                cards[champion] = workshop.judge(champion)
            card = cards[champion]
            policy.trainings.append(Training(model.cutoff, model.cpu_s or 0.0))
            is_better = card.verdict == PASS
            policy.records[-1] = replace(
                policy.records[-1],
                action=decision_log.PROMOTED if is_better else decision_log.REFUSED,
                outcome=card.reasons,
                candidate=model.bundle.model_id,
                cpu_s=model.cpu_s,
            )
            if is_better:
                policy.champion = model


def _said(policies: Sequence[Policy]) -> str:
    return ", ".join(f"{policy.name} {policy.records[-1].action}" for policy in policies)


class Plays:
    """The periods as each model would have treated them; each is played once."""

    def __init__(self, workshop: Workshop, config: Config, first: Model, periods: Sequence[Period]) -> None:
        self.config, self.periods, self.models = config, periods, [first]
        self.objective = told_by_rows(config.objective)
        self.metrics = followed(self.objective)
        self._baselines = [workshop.baselines(period.rows) for period in periods]
        self._answers: dict[tuple[str, int], Answer] = {}
        self._alarms: dict[tuple[str, int], list[Alarm]] = {}

    def add(self, model: Model) -> None:
        if model.bundle.model_id not in [known.bundle.model_id for known in self.models]:
            self.models.append(model)

    def answer(self, model: Model, i: int) -> Answer:
        key = model.bundle.model_id, i
        if key not in self._answers:
            self._answers[key] = model.bundle.answer(self.periods[i].rows)
        return self._answers[key]

    def alarms(self, model: Model, i: int) -> list[Alarm]:
        """Those that the monitoring raises of this model at the period's end."""
        key = model.bundle.model_id, i
        if key not in self._alarms:
            logged = as_logged(self.periods[i], model, self.answer(model, i), self.config)
            self._alarms[key] = decide(model.bundle, model.expectation, logged, self.config.monitoring).alarms
        return self._alarms[key]

    def played(self, models: Mapping[int, Model]) -> Played:
        """The periods, by number, each as its model would have treated it."""
        data = self.config.data
        rows = pl.concat([self.periods[i].rows for i in models])
        answers = [self.answer(model, i) for i, model in models.items()]
        names = registry.columns_of(self.objective.targets)
        return teams.play(
            rows, self.objective.targets, self.objective.policy,
            {name: np.concatenate([answer[name] for answer in answers]) for name in names},
            {name: np.concatenate([self._baselines[i][name] for i in models]) for name in names},
            splitting.blocks(rows, data.dealt_by, data.time),
        )  # fmt: skip

    def report(self, policies: Sequence[Policy], stretch: str) -> Simulated:
        config, periods = self.config, self.periods
        whole = {p.name: self._measured(self.played(dict(enumerate(p.served)))) for p in policies}
        reference = policies[0].name
        by_period = {
            (model.bundle.model_id, i): self._measured(self.played({i: model}))
            for model in self.models
            for i, period in enumerate(periods)
            if model.cutoff <= period.begin
        }
        return Simulated(
            data=config.data.name,
            objective=config.objective.name,
            begin=periods[0].begin,
            end=periods[-1].end,
            period=stretch,
            n_rows=sum(period.rows.height for period in periods),
            n_blocks=self.played(dict(enumerate(policies[0].served))).n_blocks,
            level=config.evaluation.level,
            reference=reference,
            metrics=[_followed(name, metric) for name, metric in self.metrics.items()],
            periods=[Stretch(p.begin, p.end, p.rows.height) for p in periods],
            policies=[
                PlayedPolicy(
                    policy.name,
                    policy.settings.model_dump(),
                    self._served(policy, by_period),
                    _totals(policy, self._compared(whole[policy.name], whole[reference])),
                )
                for policy in policies
            ],
            models=[self._alone(model, by_period) for model in self.models],
        )

    def _served(self, policy: Policy, by_period: ByPeriod) -> list[Served]:
        """The periods of the policy, each with the values of the model that served."""
        return [
            Served(
                **vars(record),
                model=model.bundle.model_id,
                cutoff=model.cutoff,
                metrics=self._compared(by_period[model.bundle.model_id, i]),
            )
            for i, (model, record) in enumerate(zip(policy.served, policy.records, strict=True))
        ]

    def _alone(self, model: Model, by_period: ByPeriod) -> Trained:
        """The model as if it had served alone from its cutoff on, beside the first champion."""
        first, model_id = self.models[0].bundle.model_id, model.bundle.model_id
        values = [
            self._compared(by_period[model_id, i], by_period[first, i])
            if (model_id, i) in by_period
            else None
            for i in range(len(self.periods))
        ]
        return Trained(model_id, model.cutoff, model.cpu_s, values)

    def _measured(self, played: Played) -> Nudged:
        """Each metric, and its value as each day counts more or less: the same days for all models."""
        settings, counts = self.config.evaluation, intervals.nudged(played.n_blocks)
        found = {}
        for name, metric in self.metrics.items():
            statistic = teams.statistic(
                name,
                metric,
                played,
                self.objective.targets,
                self.objective.policy,
                settings.min_slice_rows,
            )
            estimate = intervals.estimate(statistic, played.blocks, settings.level)
            found[name] = estimate, statistic(counts), played.blocks
        return found

    def _compared(self, found: Nudged, reference: Nudged | None = None) -> dict[str, Compared]:
        """Value and interval of each metric, and of its difference from the reference's on the same days."""
        values, level = {}, self.config.evaluation.level
        for name, (estimate, nudged, blocks) in found.items():
            change: Estimate | UnsetType = UNSET
            if reference is not None:
                change = intervals.estimated(nudged - reference[name][1], blocks, level)
            values[name] = Compared(**vars(estimate), change=change)
        return values


def followed(objective: Objective) -> dict[str, Metric]:
    """The metrics that are followed: of prediction quality for each target, and the teams'."""
    quality = {
        f"{name} {metric.name}": Metric(
            team=target.owner, builtin=metric.name, better=metric.better, target=name, weight=0, scale=1
        )
        for name, target in objective.targets.items()
        for metric in registry.task_of(target).watched
    }
    return {**quality, **objective.metrics}


def _followed(name: str, metric: Metric) -> Followed:
    return Followed(
        name, metric.team, metric.unit, teams.better(metric), metric.builtin, metric.target, metric.weight,
        metric.description,
    )  # fmt: skip


def as_logged(period: Period, model: Model, answer: Answer, config: Config) -> pl.DataFrame:
    """The period's rows as the log would have them at its end: outcomes that were not known by then are null."""
    data = config.data
    assert data.time is not None
    rows = period.rows
    event = local(pl.col(data.time.event), data.time.zone)
    known = event.dt.offset_by(data.time.label_delay) <= datetime.combine(period.end, time.min)
    outcomes = [name for name, column in data.columns.items() if column.role == "outcome"]
    decided = pl.col(data.time.decision or data.time.event).dt.replace_time_zone("UTC")
    predicted = {name: pl.Series(answer[name]) for name in model.bundle.predictions}
    policy = {name: pl.Series(answer[name]) for name in ("score", "action") if name in answer}
    return rows.select(
        prediction_id=pl.format("{}", pl.int_range(pl.len())),
        at=decided,
        model=pl.lit(model.bundle.model_id),
        latency_us=pl.lit(None, pl.Int64),
        **{f"row|{name}": pl.col(name) for name in data.columns if name not in outcomes},
        **{f"predicted|{name}": values for name, values in predicted.items()},
        **policy,
        outcome_at=pl.when(known).then(pl.col(data.time.event).dt.offset_by(data.time.label_delay)).dt.replace_time_zone("UTC"),
        **{f"outcome|{name}": pl.when(known).then(pl.col(name)) for name in outcomes},
    )  # fmt: skip


def _totals(policy: Policy, metrics: dict[str, Compared]) -> Totals:
    actions = [record.action for record in policy.records]
    alarms: dict[str, int] = {}
    for record in policy.records:
        for kind in record.evidence.alarms or ():
            alarms[kind] = alarms.get(kind, 0) + 1
    promoted, refused = actions.count(decision_log.PROMOTED), actions.count(decision_log.REFUSED)
    cpu_s = sum(record.cpu_s or 0.0 for record in policy.records)
    return Totals(metrics, alarms, promoted + refused, cpu_s, promoted, refused)
