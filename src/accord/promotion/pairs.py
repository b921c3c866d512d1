"""Judge: the scorecard of models/bundle against the champion, on rows that neither has learned from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.bundle.bundle import Bundle, load_bundle
from accord.data import accounts, scored, splitting
from accord.data.partitions import local
from accord.data.scored import Rows
from accord.engines import mapped
from accord.errors import AccordError
from accord.evaluation.evaluated import EvaluationReport
from accord.files import read_as, write_json
from accord.models import Vector, trained
from accord.objective import limits, teams
from accord.paths import Paths
from accord.promotion import judge, releases, tries
from accord.promotion.card import Scorecard
from accord.schema.config import Config
from accord.schema.data import ROW_ID, Split
from accord.schema.objective import Objective
from accord.tasks.registry import all_of

MIN_ROWS = 30
"""Fewer rows in common are no ground for a judgement."""


@dataclass(frozen=True)
class Champion:
    """The model in service, or None, and why it can't be compared with the candidate, if it can't."""

    bundle: Bundle | None
    obstacle: str | None


def judge_candidate(config: Config, candidate: Bundle, measured: judge.Measured, paths: Paths) -> Scorecard:
    """Writes and returns the scorecard. Raises AccordError if too few rows are left to judge on."""
    champion = champion_beside(candidate, config, paths)
    pairs = {}
    for split in ("test", "holdout"):
        pair = pair_on(config, split, candidate, champion.bundle, paths)
        if pair is not None:
            pairs[split] = pair
    if "test" not in pairs:
        raise AccordError(
            f"There are fewer than {MIN_ROWS} test rows that the champion did not learn from; move data.split.cutoff forward"
        )
    settings = judge.Settings(
        config.evaluation.n_resamples, config.evaluation.level, config.evaluation.min_slice_rows, config.seed
    )
    attempt = None
    if champion.bundle is not None and champion.obstacle is None:
        attempt = _attempt(config, pairs["test"].candidate, candidate, champion.bundle, paths)
    nth = 1 if attempt is None else attempt.n
    judgement = judge.judge(config.objective, pairs, measured, champion.obstacle, settings, nth)
    card = Scorecard(
        **vars(judgement),
        candidate=candidate.model_id,
        champion=releases.champion_id(paths),
        n_rows={split: pair.candidate.n for split, pair in pairs.items()},
        n_blocks={split: pair.candidate.n_blocks for split, pair in pairs.items()},
        unit=limits.unit(pairs["test"].candidate.blocks),
        level=settings.level,
        attempt=attempt,
        suspects=accounts.read(paths).suspects,
        notices=read_as(paths.evaluation, EvaluationReport).notices,
    )
    write_json(paths.scorecard, card)
    return card


def _attempt(
    config: Config, played: teams.Played, candidate: Bundle, champion: Bundle, paths: Paths
) -> tries.Attempt:
    """Which try on these rows the candidate is."""
    data = config.data
    by = [*dict.fromkeys([*data.dealt_by, *([] if data.time is None else [data.time.event])])]
    rows = pl.concat([frame.select(by) for _, frame in played.chunks(by)])
    return tries.attempt(
        (candidate.model_id, paths.bundle),
        (champion.model_id, paths.releases / champion.model_id),
        tries.hash_of_rows(rows, by),
        config.objective.promotion.level,
        paths,
    )


def champion_beside(candidate: Bundle, config: Config, paths: Paths) -> Champion:
    """The champion as far as it answers the candidate's rows."""
    model_id = releases.champion_id(paths)
    if model_id is None:
        return Champion(None, None)
    if model_id == candidate.model_id:
        return Champion(None, "the candidate is the champion already")
    champion = load_bundle(releases.restored(model_id, paths))
    theirs, ours = champion.manifest, candidate.manifest
    if theirs["data"]["name"] != ours["data"]["name"]:
        return Champion(
            None,
            f"the champion serves the data set {theirs['data']['name']}, not {ours['data']['name']}; to replace it, give a --reason",
        )
    if judge.targets_differ(config.objective.targets, champion.targets):
        return Champion(
            None,
            f"the champion predicts {', '.join(champion.targets)} of objective {theirs['objective']}; to replace it, give a --reason",
        )
    missing = champion.columns.keys() - config.data.columns.keys()
    if missing:
        return Champion(
            None,
            f"the champion needs column '{min(missing)}', which the data contract no longer has; to replace it, give a --reason",
        )
    for name, column in champion.columns.items():
        if not _reads(column.type, config.data.columns[name].type):
            return Champion(
                None,
                f"the champion reads column '{name}' as {column.type}, and the data contract has it as {config.data.columns[name].type} now; "
                "to replace it, give a --reason",
            )
    dealt_by = theirs["data"].get("dealt_by", list(champion.key) or [ROW_ID])
    if config.data.time is None and dealt_by != config.data.dealt_by:
        return Champion(
            None,
            f"the champion's rows were dealt by the key {', '.join(dealt_by)}, not {', '.join(config.data.dealt_by)}, so that it "
            "can't be told which of them it learned from; to replace it, give a --reason",
        )
    if theirs["objective"] != ours["objective"]:
        return Champion(
            champion,
            f"the champion serves the objective {theirs['objective']}, the candidate {ours['objective']}; to change it, give a --reason",
        )
    return Champion(champion, None)


def _reads(kind: str, found: str) -> bool:
    """Whether a model that was made for values of one type takes those of another as they are."""
    return kind == found or (kind == "number" and found == "integer")


def pair_on(
    config: Config, split: str, candidate: Bundle, champion: Bundle | None, paths: Paths
) -> judge.Pair | None:
    """What both would have done with the split's rows; None where there are fewer than MIN_ROWS for it."""
    rows = scored.rows(config, paths).get(split)
    if rows is not None and champion is not None:
        time = config.data.time
        columns = config.data.dealt_by if time is None else [time.event]
        rows = rows.kept(columns, lambda frame: _unlearned(frame, config, champion))
    if rows is None or rows.n < MIN_ROWS:
        return None
    blocks = scored.blocks(rows, config.data)
    baselines = {name: float(one[0]) for name, one in baselines_of(config.objective, 1, paths).items()}

    def played(bundle: Bundle) -> teams.Played:
        predictions = _predictions(bundle, rows)
        return teams.stream(rows, config.objective.targets, bundle.policy, predictions, baselines, blocks)

    return judge.Pair(played(candidate), None if champion is None else played(champion))


def _predictions(bundle: Bundle, rows: Rows) -> dict[str, Vector]:
    """Each column (n,) of the targets' predictions."""
    found = {name: mapped.empty(rows.scratch, rows.n) for name in bundle.predictions}
    for some, frame in rows.chunks(bundle.columns):
        for name, values in bundle.predict(frame).items():
            found[name][some] = values
    return found


def baselines_of(objective: Objective, n_rows: int, paths: Paths) -> dict[str, Vector]:
    """What one would predict without a model: each column (n_rows,) of the targets' predictions."""
    return trained.baselines(all_of(objective.targets).values(), paths.trained, n_rows)


def _unlearned(rows: pl.DataFrame, config: Config, champion: Bundle) -> NDArray[np.bool_]:
    """Which rows (n) the champion was neither trained nor tuned on, by the split that its manifest records."""
    record: Mapping[str, Any] = champion.manifest["data"]
    split = Split.model_validate(record["split"])
    if config.data.time is None:
        return splitting.by_key(rows, config.data.dealt_by, split).is_in(["test", "holdout"]).to_numpy()
    event = rows.select(local(pl.col(config.data.time.event), config.data.time.zone)).to_series()
    days = event.dt.date()
    held = splitting.held_out(days.unique().to_list(), split.holdout)
    began = pl.Series([record["accounting"]["boundaries"]["test"]]).str.to_datetime(time_unit="us")[0]
    unlearned: NDArray[np.bool_] = ((event >= began) | days.is_in(held)).to_numpy()
    return unlearned
