"""Checks of the config that types can't express: expressions over unknown columns, outcomes used as features."""

import re
import zoneinfo
from collections.abc import Iterable, Iterator

import polars as pl

from accord.data.casting import tells_days
from accord.errors import AccordError, nearest
from accord.models import loading
from accord.objective.grouping import names_in
from accord.objective.teams import BUILTINS, MEASURED, fits
from accord.schema.config import Config
from accord.schema.data import BREACHES, DUPLICATES, Data, Reading
from accord.schema.objective import Metric, Objective, Target
from accord.sql import aggregates
from accord.sql.rows import TYPES, check, columns_of
from accord.tasks import registry

PREDICTION = "prediction_id"
ANSWERED = (PREDICTION, "warnings", "model", "teams")
"""Names beside predictions: in a table of answers, and among a manifest's metrics."""


def check_expressions(config: Config) -> None:
    """Raises an AccordError that names the config key of the first expression or name that can't work."""
    data = config.data
    columns = {name: TYPES[column.type] for name, column in data.columns.items()}
    outcomes = {
        name: "an outcome, known only after the decision. Use what is known at decision time"
        for name, column in data.columns.items()
        if column.role == "outcome"
    }
    _check_names(data)
    known = dict(columns)
    for name, sql in data.derived.items():
        if name in columns:
            raise AccordError(f"data.derived.{name}: there is a column of that name already; choose another")
        known[name] = check(sql, f"data.derived.{name}", columns, outcomes)
    for name, sql in data.rules.items():
        _wants_boolean(check(sql, f"data.rules.{name}", columns, {}), f"data.rules.{name}", sql)
    for section, targets in (("data.targets", data.targets), ("objective.targets", config.objective.targets)):
        for name, target in targets.items():
            _check_target(f"{section}.{name}", target, columns, outcomes)
    _check_typed_names(config, known)
    _check_policy(config, columns, outcomes)
    _check_weights(config)
    for name, metric in config.objective.metrics.items():
        _check_metric(f"objective.metrics.{name}", metric, config, known)
    grouped = [name for group in data.groups for name in names_in(group)]
    for where, names in (("data.slices", data.slices), ("data.groups", grouped)):
        _are_known(names, where, known)
    features = [name for name, column in data.columns.items() if column.role == "feature"]
    _are_known(config.features.drop, "features.drop", [*features, *data.derived])
    if not {*features, *data.derived} - {*config.features.drop}:
        raise AccordError(
            "data.columns: no column is a feature, so that there is nothing to predict from; expected at least one of role feature, or one "
            "of data.derived, that features.drop doesn't name"
        )
    beside = [*data.as_of, DUPLICATES, *([data.subject] if data.subject else [])]
    _are_known(data.checks.leaks.accepted, "data.checks.leaks.accepted", [*features, *data.derived, *beside])


def _check_target(
    where: str, target: Target, columns: dict[str, pl.DataType], outcomes: dict[str, str]
) -> None:
    readings = {f"{where}.sql": target.sql}
    for name, alternative in target.alternatives.items():
        readings[f"{where}.alternatives.{name}.sql"] = alternative.sql
        rows = f"{where}.alternatives.{name}.rows"
        _wants_boolean(check(alternative.rows, rows, columns, {}), rows, alternative.rows)
    if target.weight is not None:
        readings[f"{where}.weight"] = target.weight
    for key, sql in readings.items():
        kind = check(sql, key, columns, {})
        if not (kind.is_numeric() or kind == pl.Boolean):
            if kind == pl.String and target.classes and key != f"{where}.weight":
                continue
            raise AccordError(
                f"{key}: `{sql}` gives {kind}; expected a number or a condition"
                + ("" if kind != pl.String else ", or task: multiclass with the texts as its classes")
            )
    if not outcomes.keys() & columns_of(target.sql, f"{where}.sql"):
        raise AccordError(
            f"{where}.sql: `{target.sql}` uses no outcome; expected one of the columns of role outcome: {', '.join(outcomes) or 'none is declared'}"
        )


def check_model(config: Config) -> None:
    """Raises AccordError for the first target that the model can't learn."""
    kind = loading.model_class(config.model["_target_"])
    for name, target in registry.all_of(config.objective.targets).items():
        if lacking := kind.lacks(target.loss):
            raise AccordError(
                f"objective.targets.{name}: {kind.__name__} can't minimise the loss {target.loss.name} of the task "
                f"{config.objective.targets[name].task}, which lacks {lacking}; choose another model, such as model=baseline, "
                "or give the loss what it lacks"
            )


def _check_typed_names(config: Config, known: Iterable[str]) -> None:
    """Whether each name that the objective's SQL may use, or that stands beside others in an answer, means one thing. `known` are
    the data's columns and derived features: where no SQL is written, they may be called as they like."""
    objective: Objective = config.objective
    taken: dict[str, str] = {}
    for name, what in _own_names(objective):
        other = taken.get(name, "a part of every answer" if name in ANSWERED else None)
        if other is not None:
            raise AccordError(f"objective: '{name}' is {what}, and {other} too; choose another name")
        taken[name] = what
    for name, target in registry.all_of(objective.targets).items():
        other = taken.get(name, "a part of every answer" if name in ANSWERED else None)
        if target.task.classes and other is not None:
            raise AccordError(
                f"objective: '{name}' is the likeliest class of target '{name}', and {other} too; choose another name"
            )
    if objective.policy is None and not any(
        metric.sql or metric.where for metric in objective.metrics.values()
    ):
        return
    for name in known:
        if name in taken:
            raise AccordError(
                f"objective: '{name}' is {taken[name]}, and a column of {config.data.name} too, so that SQL can't tell which is meant; call the "
                f"column otherwise, such as data.columns.own_{name}: {{source: {config.data.columns[name].source or name}, ...}}"
                if name in config.data.columns
                else f"objective: '{name}' is {taken[name]}, and a derived feature too; choose another name"
            )


def _own_names(objective: Objective) -> Iterator[tuple[str, str]]:
    """What the objective's SQL calls by names of its own, and what each of them is."""
    for name, target in registry.all_of(objective.targets).items():
        yield from ((column, f"a prediction of target '{name}'") for column in target.columns)
        yield f"actual_{name}", f"the outcome of target '{name}'"
    if objective.policy is not None:
        yield "score", "the policy's score"
        yield "action", "the policy's action"
        yield from ((weight, "a weight of the policy") for weight in objective.policy.weights)


def _check_policy(config: Config, columns: dict[str, pl.DataType], outcomes: dict[str, str]) -> None:
    policy, predictions = config.objective.policy, registry.columns_of(config.objective.targets)
    if policy is None:
        return
    names = {**columns, **dict.fromkeys([*predictions, *policy.weights], pl.Float64())}
    check(policy.score, "objective.policy.score", names, outcomes)
    kind = check(policy.action, "objective.policy.action", {**names, "score": pl.Float64()}, outcomes)
    _wants_boolean(kind, "objective.policy.action", policy.action)


def _check_weights(config: Config) -> None:
    """Whether something depends on each weight of the policy."""
    policy = config.objective.policy
    if policy is None:
        return
    expressions = {"objective.policy.score": policy.score, "objective.policy.action": policy.action}
    for name, metric in config.objective.metrics.items():
        expressions[f"objective.metrics.{name}.sql"] = metric.sql or ""
        expressions[f"objective.metrics.{name}.where"] = metric.where or ""
    used = {name for where, sql in expressions.items() if sql for name in columns_of(sql, where)}
    for name in policy.weights.keys() - used:
        raise AccordError(
            f"objective.policy.weights.{name}: neither score, action nor a metric uses it; {nearest(name, policy.weights.keys() & used)}"
        )


def _check_metric(where: str, metric: Metric, config: Config, columns: dict[str, pl.DataType]) -> None:
    targets, policy = registry.all_of(config.objective.targets), config.objective.policy
    builtins = {*BUILTINS, *(builtin for target in targets.values() for builtin in target.task.metric_names)}
    names = {
        **columns,
        **dict.fromkeys(registry.columns_of(config.objective.targets), pl.Float64()),
        **{f"actual_{name}": target.task.actual_type for name, target in targets.items()},
        **dict.fromkeys(policy.weights if policy else (), pl.Float64()),
    }
    if policy is not None:
        names |= {"score": pl.Float64(), "action": pl.Boolean()}
    if metric.sql is not None:
        aggregates.check(metric.sql, f"{where}.sql", names, list(policy.weights) if policy else [])
    elif metric.builtin not in builtins:
        raise AccordError(
            f"{where}.builtin: unknown metric '{metric.builtin}'; {nearest(str(metric.builtin), builtins)}"
        )
    elif metric.builtin in MEASURED and (metric.where or metric.group or metric.target):
        raise AccordError(
            f"{where}: {metric.builtin} is measured on the service as a whole; leave out where, group and target"
        )
    elif metric.builtin not in MEASURED:
        fitting = [name for name, target in targets.items() if fits(metric, target)]
        if metric.target is not None:
            _are_known([metric.target], f"{where}.target", fitting)
        elif not fitting:
            tasks = ", ".join(f"{name} is {one.task}" for name, one in config.objective.targets.items())
            raise AccordError(f"{where}.builtin: no target has the metric '{metric.builtin}'; {tasks}")
    if metric.where is not None:
        _wants_boolean(check(metric.where, f"{where}.where", names, {}), f"{where}.where", metric.where)
    if metric.group is not None:
        _are_known(names_in(metric.group), f"{where}.group", columns)


def _check_names(data: Data) -> None:
    columns, sources = data.columns, data.sources
    _are_known([data.rows], "data.rows", sources)
    _are_known(data.as_of, "data.as_of", sources)
    _are_known(data.key, "data.key", columns)
    _check_own_names(data)
    _check_personal(data)
    _check_readings(data)
    if data.time:
        _check_zone(data.time.zone)
        instants = [data.time.event, *([data.time.decision] if data.time.decision else [])]
        _are_known(instants, "data.time", columns)
        for name in instants:
            if columns[name].type != "datetime":
                raise AccordError(
                    f"data.time: column '{name}' is of type {columns[name].type}; expected datetime"
                )
            if columns[name].nullable:
                raise AccordError(f"data.time: column '{name}' is nullable; every row needs its time")
    elif data.as_of:
        raise AccordError("data.as_of joins by decision time, but data.time is missing; add it")
    for name in data.as_of:
        if sources[name].available_at is None:
            raise AccordError(
                f"data.as_of.{name}: source '{name}' does not say when its values became available; give it `available_at`"
            )
    for name, source in sources.items():
        if (
            source.available_at
            and data.joins
            and re.search(rf'\b(from|join)\s+"?{name}\b', data.joins, re.IGNORECASE)
        ):
            raise AccordError(
                f"data.joins: possible leak: joins '{name}', whose values become available over time. "
                "Join it under `as_of`, which takes only what was available at decision time"
            )


def _check_own_names(data: Data) -> None:
    """Whether columns, rules and what leaks are accepted of have names of their own where they stand side by side."""
    column = data.columns.get(PREDICTION)
    if column is not None and (PREDICTION in data.key or column.role == "outcome"):
        raise AccordError(
            f"data.columns.{PREDICTION}: outcomes name their prediction by {PREDICTION}, so that no outcome and no column of the key may be "
            f"called so; call it otherwise, such as own_{PREDICTION}: {{source: {column.source or PREDICTION}, ...}}"
        )
    for name in data.rules:
        if "rule" in data.columns and name in BREACHES:
            raise AccordError(
                f"data.rules.{name}: a column called rule breaks its contract as rule|{name} too; choose another name"
            )
    for name in data.checks.leaks.accepted:
        if name in (DUPLICATES, *data.as_of) and name in {**data.columns, **data.derived}:
            what = "rows on both sides of the split" if name == DUPLICATES else "a source of as_of"
            raise AccordError(
                f"data.checks.leaks.accepted: '{name}' is {what}, and a column too; call the column otherwise in the contract"
            )


def _check_readings(data: Data) -> None:
    readings: dict[str, Reading] = {f"data.columns.{name}": column for name, column in data.columns.items()}
    for source in data.sources:
        declared = data.sources[source].columns
        readings |= {f"data.sources.{source}.columns.{name}": reading for name, reading in declared.items()}
    for where, reading in readings.items():
        if reading.format is not None and not tells_days(reading.format):
            raise AccordError(
                f"{where}.format: found '{reading.format}'; expected words of strptime that tell year, month and day, such as "
                "'%m/%d/%Y %H:%M'"
            )


def _check_zone(zone: str) -> None:
    known = zoneinfo.available_timezones()
    if zone not in known:
        raise AccordError(f"data.time.zone: unknown time zone '{zone}'; {nearest(zone, known)}")


def _check_personal(data: Data) -> None:
    if data.subject is not None:
        _are_known([data.subject], "data.subject", data.columns)
    for where, names in (("data.subject", [data.subject] if data.subject else []), ("data.key", data.key)):
        for name in names:
            if data.columns[name].pii == "drop":
                raise AccordError(
                    f"{where}: column '{name}' has pii: drop, so that the log could not tell whose a row is; make it pii: hash"
                )
    for name, column in data.columns.items():
        if column.role == "outcome" and (column.pii or name == data.subject):
            where = "data.subject" if name == data.subject else f"data.columns.{name}.pii"
            raise AccordError(
                f"{where}: '{name}' is an outcome, which no request brings and the log never holds; expected a column known at decision time"
            )


def _are_known(names: Iterable[str], where: str, known: Iterable[str]) -> None:
    valid = list(known)
    for name in names:
        if name not in valid:
            raise AccordError(f"{where}: unknown name '{name}'; {nearest(name, valid)}")


def _wants_boolean(kind: pl.DataType, where: str, sql: str) -> None:
    if kind != pl.Boolean:
        raise AccordError(f"{where}: `{sql}` gives {kind}; expected a condition")
