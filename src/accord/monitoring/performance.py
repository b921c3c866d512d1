"""How good the model is on the window: live, estimated, by slice, and as the teams measure it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from accord import bootstrap
from accord.monitoring import estimate, quality
from accord.monitoring.comparison import MIN_DAYS, judge, outcome_of
from accord.monitoring.expectation import Expectation
from accord.monitoring.health import ServiceHealth
from accord.monitoring.quality import Judged, Watched, finite
from accord.objective import teams
from accord.objective.teams import Played
from accord.schema.loop import Monitoring
from accord.schema.objective import Metric, Objective
from accord.tasks.metrics import METRICS

N_RESAMPLES = 500


TEAM = "team|"


def of_teams(live: Played, expectation: Expectation, settings: Monitoring) -> dict[str, Watched]:
    return {
        f"{TEAM}{name}": quality.watch(
            live, _team_metric(name, metric, expectation.objective, settings), teams.better(metric)
        )
        for name, metric in expectation.objective.metrics.items()
        if metric.builtin not in teams.MEASURED
    }


def _team_metric(name: str, metric: Metric, objective: Objective, settings: Monitoring) -> quality.Computed:
    return lambda played: teams.statistic(
        name, metric, played, objective.targets, objective.policy, settings.min_rows
    )


def slices(
    live: Played, test: Played, n_rows: int, expectation: Expectation, settings: Monitoring
) -> list[dict[str, Any]]:
    """The leading metric of each target for each level of the slices that enough rows have. A level of a few days of the
    window or of test, such as a weekday in a month, varies more than these show: nothing is expected of it."""
    watched, thin, keys = {}, {}, {}
    for column, level, n in quality.levels(live, expectation.slices, settings.min_rows):
        n_days = min(quality.n_blocks(part, column, level) for part in (live, test))
        for target_name, target in expectation.objective.targets.items():
            metric, name = METRICS[target.task][0], f"{target_name}|{column}|{level}"
            computed = quality.of_level(column, level, quality.of_metric(target_name, target, metric))
            watched[name] = quality.watch(live, computed, metric.better)
            if expectation.time and n_days < MIN_DAYS:
                value, note = watched.pop(name).value, f"insufficient: {n_days} days of {MIN_DAYS}"
                thin[name] = Judged(quality.finite(value), None, None, None, False, note)
            keys[name] = {
                "target": target_name, "column": column, "level": level, "metric": metric.name, "n_rows": n
            }  # fmt: skip
    judged = {**thin, **judge(watched, live, test, n_rows, expectation)}
    return [{**key, **asdict(judged[name])} for name, key in keys.items()]


def estimated(
    live: Played, known: Played, test: Played, n_rows: int, expectation: Expectation, has_outcomes: bool
) -> list[dict[str, Any]]:
    """What the predictions imply: the metrics of binary targets, and the mean outcome of all."""
    watched, realised, errors = {}, {}, {}
    for name, target in expectation.objective.targets.items():
        y, p = test.outcomes[name], test.predictions[name]
        there = np.isfinite(y)
        p_live, p_known = (v[np.isfinite(v)] for v in (live.predictions[name], known.predictions[name]))
        if there.sum() < quality.MIN_TEST_ROWS or not len(p_live):
            continue
        q, of_known = (estimate.calibrated(y[there], p[there], one) for one in (p_live, p_known))
        metrics = {metric.name: metric for metric in METRICS[target.task]}
        for metric_name, estimated in estimate.ESTIMATES.items() if target.task == "binary" else ():
            key = f"{name}|{metric_name}"
            computed = quality.of_metric(name, target, metrics[metric_name])
            watched[key] = Watched(estimated(p_live, q), metrics[metric_name].better, computed)
            if has_outcomes:
                realised[key] = quality.watch(known, computed, "zero").value
                errors[key] = estimated(p_known, of_known) - realised[key]
        key = f"{name}|mean_outcome"
        watched[key] = Watched(float(q.mean()), "zero", quality.of_mean(outcome_of(name)))
        if has_outcomes:
            realised[key] = float(np.nanmean(known.outcomes[name]))
            errors[key] = float(of_known.mean()) - realised[key]
    judged = judge(watched, live, test, n_rows, expectation)
    return [
        {
            "target": key.partition("|")[0], "metric": key.partition("|")[2], **asdict(one),
            "alarm": one.alarm and not has_outcomes,
            "realised": finite(realised.get(key)), "error": finite(errors.get(key)),
        }
        for key, one in judged.items()
    ]  # fmt: skip


def team_rows(
    known: Played | None, judged: Mapping[str, Judged], service: ServiceHealth, expectation: Expectation, settings: Monitoring,
) -> list[dict[str, Any]]:  # fmt: skip
    """The scorecard of the window: each metric's value, its uncertainty, where it was expected, and its limits."""
    objective, found = expectation.objective, {}
    if known is not None:
        counts = bootstrap.draw(known.n_blocks, N_RESAMPLES, expectation.seed)
        found = teams.table(
            objective.metrics,
            known,
            objective.targets,
            objective.policy,
            counts,
            settings.level,
            settings.min_rows,
        )
    rows = []
    for name, metric in objective.metrics.items():
        one = judged.get(f"{TEAM}{name}")
        value = (
            service.measured(metric.builtin)
            if metric.builtin in teams.MEASURED
            else found.get(name, {}).get("value")
        )
        unit = metric.unit or (
            teams.MEASURED[metric.builtin][1] if metric.builtin in teams.MEASURED else None
        )
        broken = value is not None and (
            (metric.min is not None and value < metric.min) or (metric.max is not None and value > metric.max)
        )
        note = (
            one.note
            if one
            else "needs outcomes"
            if known is None and metric.builtin not in teams.MEASURED
            else ""
        )
        if metric.builtin in teams.MEASURED and value is None:
            note = "accord measure tells it, not traffic"
        rows.append({
            "team": metric.team, "metric": name, "description": metric.description, "unit": unit,
            "better": teams.better(metric), "value": value,
            "uncertainty": [found[name]["low"], found[name]["high"]] if name in found else None,
            "test": one.test if one else None, "low": one.low if one else None, "high": one.high if one else None,
            "min": metric.min, "max": metric.max, "alarm": bool(one and one.alarm), "broken": broken, "note": note,
        })  # fmt: skip
    return rows
