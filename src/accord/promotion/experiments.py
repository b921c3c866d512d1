"""Tradeoff: the policy's weights swept over the candidate's predictions on test, beside the DVC experiments."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accord import dvc
from accord.bundle.bundle import load_bundle
from accord.errors import AccordError
from accord.objective import teams
from accord.paths import Paths
from accord.promotion import judge, sweep
from accord.promotion.pairs import MIN_ROWS, pair_on
from accord.promotion.sweep import Tradeoff
from accord.schema.config import Config
from accord.schema.objective import Objective
from accord.sql.rows import columns_of

SELECTED = ("model", "objective", "features", "data")
"""Groups of the selection that tell experiments apart."""
TEAM_METRICS = "reports/team_metrics.json"
"""As DVC names it, relative to the root."""


@dataclass(frozen=True)
class Value:
    """A metric of an experiment: its interval isn't known."""

    value: float | None


@dataclass(frozen=True)
class Experiment:
    name: str
    selection: dict[str, str]
    """Its option of each group that tells experiments apart."""
    overrides: dict[str, Any]
    """As in params.yaml."""
    metrics: dict[str, Value]
    score: float | None
    dominated_by: list[int] = field(default_factory=list)
    """The places, the sweep's points counted first, of those that dominate it."""


@dataclass(frozen=True)
class LeftOut:
    """An experiment that can't be compared."""

    name: str
    reason: str


@dataclass(frozen=True)
class Report(Tradeoff):
    """reports/tradeoff.json"""

    data: str
    model_id: str
    blocks: str
    """What is resampled: days or rows."""
    experiments: list[Experiment] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def of_candidate(
    config: Config,
    weight: str | None,
    begin: float | None,
    end: float | None,
    n_steps: int,
    with_experiments: bool,
    paths: Paths,
) -> Report:
    """The report on models/bundle. Raises AccordError without a bundle of this objective, or nothing to move."""
    objective = config.objective
    moved = sweep.sweep(sweep.policy_of(objective), weight, begin, end, n_steps)
    candidate = load_bundle(paths.bundle)
    if judge.targets_differ(objective.targets, candidate.targets):
        raise AccordError(
            f"models/bundle predicts {', '.join(candidate.targets)}, the objective {objective.name} wants "
            f"{', '.join(objective.targets)}; make the bundle anew: dvc repro"
        )
    pair = pair_on(config, "test", candidate, None, paths)
    if pair is None:
        raise AccordError(
            f"There are fewer than {MIN_ROWS} test rows; make test longer in conf/data/{config.data.name}.yaml"
        )
    settings = judge.Settings(
        config.evaluation.n_resamples, config.evaluation.level, config.evaluation.min_slice_rows, config.seed
    )
    report = Report(
        **vars(sweep.tradeoff(objective, pair.candidate, moved, settings)),
        data=config.data.name,
        model_id=candidate.model_id,
        blocks="rows" if config.data.time is None else "days",
    )
    return (
        _beside(report, *experiments(exp_show(paths), objective), objective) if with_experiments else report
    )


def _beside(
    report: Report, shown: Sequence[Experiment], left_out: list[LeftOut], objective: Objective
) -> Report:
    """The report with the experiments among what dominates and is dominated."""
    values = [sweep.values_of(point.metrics) for point in report.points]
    values += [{name: found.value for name, found in one.metrics.items()} for one in shown]
    by = sweep.dominated_by(values, objective)
    n_points = len(report.points)
    return replace(
        report,
        points=[replace(p, dominated_by=d) for p, d in zip(report.points, by[:n_points], strict=True)],
        experiments=[replace(e, dominated_by=d) for e, d in zip(shown, by[n_points:], strict=True)],
        left_out=left_out,
    )


def exp_show(paths: Paths) -> list[dict[str, Any]]:
    """What `dvc exp show --json` says. Raises AccordError if it fails."""
    done = dvc.run(paths, "exp", "show", "--json")
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise AccordError(
            f"`dvc exp show --json` failed: {reason}. Run it by hand, or leave out --experiments"
        )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def experiments(
    shown: Sequence[Mapping[str, Any]], objective: Objective
) -> tuple[list[Experiment], list[LeftOut]]:
    """A point for the workspace and each experiment that can be compared with it, and why the others can't.

    They can where they were tested on the same rows (DVC's hash of data/splits) and a metric of the same name means
    the same. Only values are known of them, no intervals: their predictions stay in DVC's cache.
    """
    runs = list(_runs(shown))
    workspace = next((data for name, data in runs if name == "workspace"), {})
    points, left_out = [], []
    for name, data in runs:
        reason = _obstacle(data, workspace, objective)
        if reason is not None or data is None:
            left_out.append(LeftOut(name, str(reason)))
            continue
        values = _values(data, objective)
        selection = _params(data, "params.yaml")
        points.append(
            Experiment(
                name,
                {group: selection[group] for group in SELECTED if group in selection},
                selection.get("overrides") or {},
                {metric: Value(value) for metric, value in values.items()},
                sweep.score(objective, values),
            )
        )
    return points, left_out


def _runs(shown: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Name and data of the workspace and of each experiment; no data where it has not run or has failed."""
    for baseline in shown:
        if baseline["rev"] == "workspace":
            yield "workspace", baseline["data"]
        for experiment in baseline.get("experiments") or []:
            last = experiment["revs"][0]
            yield experiment.get("name") or last.get("name") or last["rev"][:7], last["data"]


def _obstacle(
    data: Mapping[str, Any] | None, workspace: Mapping[str, Any] | None, objective: Objective
) -> str | None:
    """Why the run can't be compared with the sweep, if it can't."""
    if not data or not _metrics(data):
        return "has no metrics: it has not run, or has failed"
    ours, theirs = _rows_hash(workspace or {}), _rows_hash(data)
    if theirs is None or theirs != ours:
        return "was tested on other rows (data/splits differs)"
    values = _values(data, objective)
    if all(value is None for value in values.values()):
        return f"has none of the metrics {', '.join(values)} as the objective {objective.name} defines them"
    return None


def _rows_hash(data: Mapping[str, Any]) -> str | None:
    found: str | None = (data.get("deps") or {}).get("data/splits", {}).get("hash")
    return found


def _params(data: Mapping[str, Any], file: str) -> dict[str, Any]:
    found: dict[str, Any] = (data.get("params") or {}).get(file, {}).get("data") or {}
    return found


def _metrics(data: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (data.get("metrics") or {}).get(TEAM_METRICS, {}).get("data") or {}
    return found


def _values(data: Mapping[str, Any], objective: Objective) -> dict[str, float | None]:
    """The value on test of each of our metrics; None where theirs of that name is missing or means something else."""
    theirs = _params(data, "conf.lock.yaml").get("objective", {})
    values = _metrics(data).get("test", {})
    ours = objective.model_dump(mode="json")
    return {
        name: values.get(name) if _meaning(name, theirs) == _meaning(name, ours) else None
        for name, metric in objective.metrics.items()
        if metric.builtin not in teams.MEASURED
    }


def _meaning(name: str, objective: Mapping[str, Any]) -> Any:
    """All that a metric's value depends on but for predictions and decisions."""
    metric = (objective.get("metrics") or {}).get(name)
    if metric is None:
        return None
    parts = [part for part in (metric.get("where"), metric.get("sql")) if part]
    used = set().union(*(columns_of(part, name) for part in parts))
    weights = (objective.get("policy") or {}).get("weights") or {}
    return (
        [metric.get(key) for key in ("sql", "builtin", "target", "where", "group")],
        {weight: float(value) for weight, value in weights.items() if weight in used},
        {target: found.get("sql") for target, found in (objective.get("targets") or {}).items()},
    )
