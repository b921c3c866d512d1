"""The decision on a window of traffic: what has changed, by how much, and whether that is more than chance.

`decide` takes a frame and gives plain data; it reads no file and no clock, so real and simulated traffic are judged alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from accord import bootstrap
from accord.bundle.bundle import Bundle
from accord.data import splitting
from accord.errors import AccordError
from accord.monitoring import estimate, quality, skew
from accord.monitoring.calibration import Finding, alarms, whole_days
from accord.monitoring.drift import Drift, drifts
from accord.monitoring.expectation import ACTUAL, GROUPS, PREDICTED, Expectation, with_actuals
from accord.monitoring.observed import (
    AT,
    DECIDED,
    EVENT,
    ID,
    KNOWN,
    LATENCY_US,
    MODEL,
    days,
    logged_columns,
    observed,
    sampled,
    with_known,
)
from accord.monitoring.quality import Judged, Watched, finite
from accord.objective import teams
from accord.objective.teams import Played
from accord.schema.loop import Monitoring
from accord.schema.objective import Metric, Objective
from accord.sql.rows import columns_of, with_derived
from accord.tasks.metrics import METRICS
from accord.traffic import typed

MEANS_SHARE = 0.5
"""Of drift's false alarms: distances are calibrated for the other half."""
MAX_ROWS = 1_000_000
"""Rows that metrics rest on; of larger windows a sample. Drift is looked for in all of them."""
N_RESAMPLES = 500
MIN_DAYS = 7
"""With fewer days, hours and weekdays are not those of test, and means and metrics say nothing."""
MOST_REFUSED = 0.5
"""Share of requests from which on their refusal is an alarm."""
MOST_IN_A_ROW = 30
"""Requests refused since the last that was answered, from which on that is one."""
BLOCK = "block"
TEAM = "team|"
LIMITS = {"min": "at least", "max": "at most"}


@dataclass(frozen=True)
class Refused:
    """Requests that were refused since the window's first was answered."""

    n: int = 0
    in_a_row: int = 0
    """Of these the ones since the window's last was answered."""


NONE_REFUSED = Refused()


@dataclass(frozen=True)
class Decision:
    model: str
    window: dict[str, Any]
    """begin and end of decision times, n_rows, n_labelled, n_days, and other_models: rows of models that aren't judged."""
    drift: list[dict[str, Any]]
    """A row a column and score: group, column, score, value, threshold, alarm, note."""
    shifts: list[dict[str, Any]]
    """A row a number, prediction or outcome: its mean, the mean on test, low and high (where it was expected), alarm."""
    quality: list[dict[str, Any]]
    """A row a target and metric: value, test, low and high (where it was expected), alarm, note."""
    estimated: list[dict[str, Any]]
    """The same of what probabilities imply, and their error once outcomes are known."""
    teams: list[dict[str, Any]]
    """A row a metric of the objective, with its limits."""
    slices: list[dict[str, Any]]
    service: dict[str, Any]
    """Latency, rows an hour, and how many of the requests, to whichever model, were refused, as the log has them."""
    skew: dict[str, Any]
    notes: list[str]
    """What could not be judged, and why."""
    alarms: list[dict[str, Any]]
    """kind (service, drift, quality, estimated_quality, slice, limit or skew), what, and the evidence in a sentence."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(
    bundle: Bundle,
    expectation: Expectation,
    labelled: pl.DataFrame | pl.LazyFrame,
    settings: Monitoring,
    refused: Refused = NONE_REFUSED,
) -> Decision:
    """What is to be said of the window: `labelled` as `traffic.outcomes.labelled` has it, of which the rows that the
    bundle's model answered are judged."""
    everything = observed(labelled, bundle, expectation.time)
    models = dict(
        everything.group_by(MODEL).agg(pl.len()).sort(MODEL).collect(engine="streaming").iter_rows()
    )
    rows = everything.filter(pl.col(MODEL) == bundle.model_id)
    window = _window(rows, models, bundle.model_id)
    n_rows, n_labelled = window["n_rows"], window["n_labelled"]
    columns = [name for name in everything.collect_schema() if not name.startswith("log|")]
    drift = _drift(rows, window, expectation, settings)
    live, known = (
        _played(sampled(part, n, MAX_ROWS, columns), expectation)
        for part, n in ((rows, n_rows), (rows.filter(pl.col(KNOWN).is_not_null()), n_labelled))
    )
    test = _played(expectation.test, expectation)
    window |= {"n_days": live.n_blocks, "n_labelled_days": known.n_blocks} if expectation.time else {}
    enough, outcomes = (
        n >= settings.min_rows and (part.n_blocks >= MIN_DAYS or expectation.time is None)
        for n, part in ((n_rows, live), (n_labelled, known))
    )
    judged: dict[str, Judged] = {}
    slices: list[dict[str, Any]] = []
    if outcomes:
        wanted = {
            **quality.metrics_of(expectation.objective.targets, known),
            **_of_teams(known, expectation, settings),
        }
        judged = _judge(wanted, known, test, n_labelled, expectation)
        slices = _slices(known, test, n_labelled, expectation, settings)
    shifts = (
        _shifts(live, known if outcomes else None, test, n_rows, n_labelled, bundle, expectation)
        if enough
        else []
    )
    estimated = _estimated(live, known, test, n_rows, expectation, outcomes) if enough else []
    service = _service(rows, n_rows, _n_requests(everything), refused)
    team_rows = _team_rows(known if outcomes else None, judged, service, expectation, settings)
    again = skew.compare(sampled(rows, n_rows, settings.max_replayed, skew.columns(bundle)), bundle)
    quality_rows = [
        {"target": name.partition("|")[0], "metric": name.partition("|")[2], **asdict(one)}
        for name, one in judged.items()
        if not name.startswith(TEAM)
    ]
    return Decision(
        bundle.model_id, window, drift, shifts, quality_rows, estimated, team_rows, slices, service, asdict(again),
        [*_notes(window, settings), *_unread(labelled, bundle), *_left_out((live, known, test), expectation), *_calibrated(window, expectation, settings)],
        _alarms(service, drift, shifts, quality_rows, estimated, team_rows, slices, again),
    )  # fmt: skip


def _window(rows: pl.LazyFrame, models: Mapping[str, int], model: str) -> dict[str, Any]:
    found = rows.select(
        begin=pl.col(DECIDED).min(), end=pl.col(DECIDED).max(), n_rows=pl.len(), n_labelled=pl.col(KNOWN).count(),
        first=pl.col(EVENT).min(), last=pl.col(EVENT).max(),
    ).collect(engine="streaming").row(0, named=True)  # fmt: skip
    first, last = found.pop("first"), found.pop("last")
    hours = None if first is None else (last - first).total_seconds() / 3600
    return {
        **{k: v.isoformat() if isinstance(v, datetime) else v for k, v in found.items()},
        "hours": hours,
        "other_models": {str(name): n for name, n in models.items() if name != model},
    }


def _notes(window: Mapping[str, Any], settings: Monitoring) -> list[str]:
    n_rows, n_labelled, n_days = window["n_rows"], window["n_labelled"], window.get("n_days", MIN_DAYS)
    notes = []
    if n_rows < settings.min_rows:
        notes.append(f"insufficient: {n_rows:,} rows of {settings.min_rows:,}")
    elif n_days < MIN_DAYS:
        notes.append(f"insufficient for means and metrics: {n_days} days of {MIN_DAYS}")
    elif not n_labelled:
        notes.append("no outcomes yet: performance is estimated from the model's own probabilities")
    elif n_labelled < settings.min_rows:
        notes.append(
            f"insufficient outcomes: {n_labelled:,} rows of {settings.min_rows:,}; performance is estimated"
        )
    elif (labelled_days := window.get("n_labelled_days", MIN_DAYS)) < MIN_DAYS:
        notes.append(f"insufficient outcomes: {labelled_days} days of {MIN_DAYS}; performance is estimated")
    if window["other_models"]:
        others = ", ".join(f"{name} ({n:,} rows)" for name, n in window["other_models"].items())
        notes.append(f"also in the window, not judged: answers of {others}")
    if n_rows > MAX_ROWS:
        notes.append(
            f"means and metrics rest on a sample of about {MAX_ROWS:,} rows; drift on all {n_rows:,}"
        )
    return notes


def _unread(labelled: pl.DataFrame | pl.LazyFrame, bundle: Bundle) -> list[str]:
    """Values that are judged as if they were missing."""
    columns = logged_columns(bundle)
    unread = typed.n_unread(labelled.lazy().filter(pl.col("model") == bundle.model_id), columns)
    return [f"{words}, and count as missing" for words in typed.in_words(unread, columns)]


def _left_out(parts: Sequence[Played], expectation: Expectation) -> list[str]:
    """What the rows, live, with outcomes and of test, can't tell for want of values."""
    notes = [
        f"derived feature {name} can't be computed from these rows, and is left out"
        for name in expectation.derived
        if any(part.rows.schema[name] == pl.Null for part in parts)
    ]
    live = parts[0]
    for name, predictions in live.predictions.items():
        if n := int((~np.isfinite(predictions)).sum()):
            notes.append(
                f"{n:,} of {len(predictions):,} rows without a prediction of {name}; its metrics and estimates leave them out"
            )
    return notes


def _calibrated(window: Mapping[str, Any], expectation: Expectation, settings: Monitoring) -> list[str]:
    """Where the reference has too few rows, or independent windows as large as this one."""
    groups: dict[str, list[str]] = {}
    for group in dict.fromkeys(GROUPS.values()):  # actions have the rows of predictions
        calibration = expectation.drift.get(group)
        n_rows = window["n_labelled" if group == "targets" else "n_rows"]
        note = calibration.note(n_rows) if calibration else "not judged, the reference has too few rows"
        if note and n_rows >= settings.min_rows:
            groups.setdefault(note, []).append(group)
    return [f"drift of {' and '.join(names)}: {note}" for note, names in groups.items()]


def _drift(
    rows: pl.LazyFrame, window: Mapping[str, Any], expectation: Expectation, settings: Monitoring
) -> list[dict[str, Any]]:
    labelled = rows.filter(pl.col(KNOWN).is_not_null())
    targets = expectation.objective.targets.items()
    needs = set().union(*(columns_of(t.sql, f"objective.targets.{name}.sql") for name, t in targets))
    found = []
    for group in GROUPS:
        calibration = expectation.drift.get(group)
        if calibration is None:
            continue
        frame, n_rows = rows, window["n_rows"]
        if group == "targets":
            n_rows = window["n_labelled"]
            outcomes = labelled.select(EVENT, *needs).collect(engine="streaming")
            actual = with_actuals(outcomes, expectation.objective)
            frame = actual.select(EVENT, *calibration.references).lazy()
        scores = drifts(calibration.references, frame if expectation.time is None else _of_whole_days(frame))
        constant = _constant(frame, list(calibration.references)) if n_rows else set()
        hours = None if expectation.time is None else window["hours"]
        for finding in alarms(calibration, n_rows, scores, hours):
            if n_rows < settings.min_rows:
                thin = f"insufficient: {n_rows:,} rows of {settings.min_rows:,}"
                finding = Finding(finding.column, finding.score, finding.value, None, False, thin)
            found.append(_as_row(GROUPS[group], finding, scores[finding.column], finding.column in constant))
    return found


def _of_whole_days(rows: pl.LazyFrame) -> pl.LazyFrame:
    times = rows.select(pl.col(EVENT).sort()).collect(engine="streaming")[EVENT]
    return rows.filter(pl.col(EVENT) >= times[whole_days(times)]) if len(times) else rows


def _constant(rows: pl.LazyFrame, columns: Sequence[str]) -> set[str]:
    """Columns that have one value alone."""
    spans = rows.select((pl.col(name).min() == pl.col(name).max()).alias(name) for name in columns)
    return {name for name, same in spans.collect(engine="streaming").row(0, named=True).items() if same}


def _as_row(group: str, finding: Finding, drift: Drift, is_constant: bool) -> dict[str, Any]:
    said = [finding.note]
    if drift.n_rows and drift.n_missing == drift.n_rows:
        said = ["all missing"]
    elif is_constant and finding.score != "missing":
        said.append("constant")
    return {
        "group": group,
        "column": finding.column,
        "score": finding.score,
        "value": finite(finding.value),
        "threshold": finding.threshold,
        "alarm": finding.alarm,
        "missing": drift.n_missing / drift.n_rows if drift.n_rows else None,
        "note": "; ".join(filter(None, said)),
    }


def _played(rows: pl.DataFrame, expectation: Expectation) -> Played:
    """The rows, live or of test, as they were answered."""
    objective = expectation.objective
    rows = _with_derived(rows, expectation.derived)
    if BLOCK in rows.columns:
        blocks = rows[BLOCK]
    else:
        rows = with_known(rows, objective)
        blocks = (
            days(rows[EVENT], expectation.time) if expectation.time else splitting.blocks(rows, [ID], None)
        )
    block, n_blocks = bootstrap.numbered(blocks)
    has_policy = objective.policy is not None
    return Played(
        rows.drop(BLOCK, "score", "action", strict=False),
        {name: _numbers(rows[f"{ACTUAL}{name}"]) for name in objective.targets},
        {name: _numbers(rows[f"{PREDICTED}{name}"]) for name in objective.targets},
        {name: np.full(rows.height, expectation.baselines[name]) for name in objective.targets},
        _numbers(rows["score"]) if has_policy else None,
        rows["action"].fill_null(False).to_numpy() if has_policy else None,
        block, n_blocks,
    )  # fmt: skip


def _with_derived(rows: pl.DataFrame, derived: Mapping[str, str]) -> pl.DataFrame:
    """The rows with the derived features. One that can't be computed, such as a date whose parts are missing, is null and of
    type Null."""
    try:
        return with_derived(rows, derived)
    except (AccordError, PolarsError):
        if len(derived) == 1:
            return rows.with_columns(pl.lit(None).alias(name) for name in derived)
        for name, sql in derived.items():
            rows = _with_derived(rows, {name: sql})
        return rows


def _numbers(values: pl.Series) -> teams.Vector:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _judge(
    watched: Mapping[str, Watched],
    live: Played,
    test: Played,
    n_rows: int,
    expectation: Expectation,
    share: float = 1,
) -> dict[str, Judged]:
    """What is expected of each; `share` is the part of the false alarms put up with that these may raise."""
    level = 1 - (1 - expectation.level) * share
    n_blocks = (
        live.n_blocks
        if expectation.time
        else max(1, round(n_rows * test.n_blocks / max(test.rows.height, 1)))
    )
    return quality.judge(watched, test, n_rows, n_blocks, level, expectation.seed) if watched else {}


def _of_teams(live: Played, expectation: Expectation, settings: Monitoring) -> dict[str, Watched]:
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


def _slices(
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
    judged = {**thin, **_judge(watched, live, test, n_rows, expectation)}
    return [{**key, **asdict(judged[name])} for name, key in keys.items()]


def _estimated(
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
        watched[key] = Watched(float(q.mean()), "zero", quality.of_mean(_outcome(name)))
        if has_outcomes:
            realised[key] = float(np.nanmean(known.outcomes[name]))
            errors[key] = float(of_known.mean()) - realised[key]
    judged = _judge(watched, live, test, n_rows, expectation)
    return [
        {
            "target": key.partition("|")[0], "metric": key.partition("|")[2], **asdict(one),
            "alarm": one.alarm and not has_outcomes,
            "realised": finite(realised.get(key)), "error": finite(errors.get(key)),
        }
        for key, one in judged.items()
    ]  # fmt: skip


def _shifts(
    live: Played,
    known: Played | None,
    test: Played,
    n_rows: int,
    n_labelled: int,
    bundle: Bundle,
    expectation: Expectation,
) -> list[dict[str, Any]]:
    """Means of numbers, predictions, actions and outcomes: other than those of test, though perhaps nothing new."""
    targets = expectation.objective.targets
    features = [
        n
        for n, c in bundle.columns.items()
        if c.role == "feature" and c.type in ("integer", "number") and c.pii is None
    ]
    wanted: dict[str, quality.Computed] = {name: quality.of_mean(_column(name)) for name in features}
    wanted |= {f"{PREDICTED}{name}": quality.of_mean(_prediction(name)) for name in targets}
    if expectation.objective.policy is not None:
        wanted["action"] = quality.of_mean(lambda played: np.asarray(played.action, dtype=np.float64))
    judged = _judge(
        {n: quality.watch(live, one, "zero") for n, one in wanted.items()},
        live,
        test,
        n_rows,
        expectation,
        MEANS_SHARE / 2,
    )
    if known is not None:
        outcomes = {
            f"{ACTUAL}{name}": quality.watch(known, quality.of_mean(_outcome(name)), "zero")
            for name in targets
        }
        judged |= _judge(outcomes, known, test, n_labelled, expectation, MEANS_SHARE / 2)
    return [{"column": name, **asdict(one)} for name, one in judged.items()]


def _column(name: str) -> Callable[[Played], teams.Vector]:
    return lambda played: _numbers(played.rows[name])


def _prediction(target: str) -> Callable[[Played], teams.Vector]:
    return lambda played: played.predictions[target]


def _outcome(target: str) -> Callable[[Played], teams.Vector]:
    return lambda played: played.outcomes[target]


def _n_requests(rows: pl.LazyFrame) -> int:
    """How many requests brought the rows: those of one have the instant of its arrival in common."""
    return int(rows.select(pl.col(AT).sort().n_unique()).collect(engine="streaming").item())


def _service(rows: pl.LazyFrame, n_rows: int, n_answered: int, refused: Refused) -> dict[str, Any]:
    """Figures of the running service; a request of many rows has one latency, so rows of small requests weigh less."""
    latency = pl.col(LATENCY_US).cast(pl.Float64)
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    found = rows.select(
        **{name: latency.quantile(share) / 1000 for name, share in shares.items()},
        hours=(pl.col(AT).max() - pl.col(AT).min()).dt.total_microseconds() / 3.6e9,
    ).collect(engine="streaming").row(0, named=True)  # fmt: skip
    hours, n_requests = found.pop("hours"), n_answered + refused.n
    return {
        **found,
        "rows_per_hour": n_rows / hours if hours else None,
        "requests": n_requests,
        "refused": refused.n,
        "refused_in_a_row": refused.in_a_row,
        "refused_share": refused.n / n_requests if n_requests else None,
    }


def _refusals(service: Mapping[str, Any]) -> list[str]:
    """What says that the service hardly answers, if anything does."""
    n, in_a_row = service["refused"], service["refused_in_a_row"]
    said = []
    if n and service["refused_share"] >= MOST_REFUSED:
        said.append(f"{n:,} of {service['requests']:,} are refused")
    if in_a_row >= MOST_IN_A_ROW:
        said.append(f"none is answered since the last {in_a_row:,}, which are refused")
    return said


def _team_rows(
    known: Played | None, judged: Mapping[str, Judged], service: Mapping[str, Any], expectation: Expectation, settings: Monitoring,
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
            service.get(str(metric.builtin))
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


def _alarms(
    service: Mapping[str, Any],
    drift: Sequence[Mapping[str, Any]],
    shifts: Sequence[Mapping[str, Any]],
    judged: Sequence[Mapping[str, Any]],
    estimated: Sequence[Mapping[str, Any]],
    team_rows: Sequence[Mapping[str, Any]],
    slices: Sequence[Mapping[str, Any]],
    again: skew.Skew,
) -> list[dict[str, Any]]:
    found = [("service", "requests", "; ".join(said))] if (said := _refusals(service)) else []
    found += [
        ("drift", row["column"], f"{row['score']} {row['value']:.3g} is above {row['threshold']:.3g}" + (f"; {row['note']}" if row["note"] else ""))
        for row in drift if row["alarm"]
    ]  # fmt: skip
    found += [("drift", row["column"], f"mean {_off(row)}") for row in shifts if row["alarm"]]
    found += [("quality", f"{row['target']} {row['metric']}", _off(row)) for row in judged if row["alarm"]]
    found += [
        ("estimated_quality", f"{row['target']} {row['metric']}", _off(row))
        for row in estimated
        if row["alarm"]
    ]
    found += [("quality", f"{row['team']} {row['metric']}", _off(row)) for row in team_rows if row["alarm"]]
    found += [
        ("slice", f"{row['target']} where {row['column']} is {row['level']}", f"{row['metric']} {_off(row)}")
        for row in slices if row["alarm"]
    ]  # fmt: skip
    for row in team_rows:
        if row["broken"]:
            limits = [f"{words} {row[side]:g}" for side, words in LIMITS.items() if row[side] is not None]
            found.append(
                (
                    "limit",
                    f"{row['team']} {row['metric']}",
                    f"{row['value']:.4g}; it must be {' and '.join(limits)}",
                )
            )
    if again.n_different:
        found.append(
            (
                "skew",
                "predictions",
                f"{again.n_different:,} of {again.n_compared:,} logged rows come out otherwise when predicted again",
            )
        )
    if again.failed:
        found.append(("skew", "predictions", again.note))
    return [{"kind": kind, "what": what, "evidence": evidence} for kind, what, evidence in found]


def _off(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.4g}, expected {row['low']:.4g} to {row['high']:.4g} (test: {row['test']:.4g})"
