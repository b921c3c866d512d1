"""What gradient-boosted trees are trained with where the config says `auto`: a rule, measured on public data sets.

docs/models.md shows what it was measured against, and what the numbers rest on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

AUTO = "auto"
LOG_FAMILIES = ("binomial", "multinomial")
"""Families of losses that are the log of a probability."""
MANY_ROWS = 50_000
"""From as many training rows on trees may be larger."""
FEW_FEATURES = 4
"""Of so few, trees get all."""
MAX_ROUNDS = 4_000
MAX_TREES = 10_000
"""Each round adds a tree per raw score: they cost time, memory and latency."""
MAX_WORK = 5e11
"""Rows times features times trees: about an hour and a half on one core, both ways that are tried and the refit included."""
LEAST_STRIDE, MAX_RATE = 40.0, 0.1
"""Rounds times learning rate that there should be room for, as far as the largest rate makes it."""
LEAST_REFIT = 20.0
"""Rounds times learning rate that a refit has at least where rows are in order of time: twice those of LightGBM's own defaults."""
CLEARLY = 0.01
"""By how much the loss of one way must be less than another's, as a share: below that tune's chance decides."""
FEW_ROWS = 2_000
"""Below as many rows of train and tune a fifth of them says too little of when to stop."""


@dataclass(frozen=True)
class Problem:
    """What the rule looks at."""

    n_train: int
    n_tune: int
    n_features: int
    n_raw: int
    """Raw scores of the loss."""
    family: str | None
    """Of the loss, as `accord.losses.Loss` has it."""
    cautious: bool
    """Whether rows to come are unlike those of train: `data.time.cautious`."""
    by_time: bool = False
    """Whether tune's rows came after train's."""


@dataclass(frozen=True)
class Settings:
    """As the fields of `accord.models.lightgbm.LightGBM`, each decided."""

    n_estimators: int
    early_stopping_rounds: int
    early_stopping_share: float
    stopping_folds: int
    refit: float
    learning_rate: float
    num_leaves: int
    min_leaf_rows: int
    min_leaf_share: float
    feature_fraction: float
    bagging_fraction: float
    lambda_l2: float
    max_bin: int
    cat_smooth: float
    cat_l2: float
    max_cat_threshold: int
    min_data_per_group: int


CAUTIOUS = Settings(
    n_estimators=250,
    early_stopping_rounds=30,
    early_stopping_share=0.0,
    stopping_folds=0,
    refit=0.0,
    learning_rate=0.05,
    num_leaves=15,
    min_leaf_rows=20,
    min_leaf_share=0.003,
    feature_fraction=0.4,
    bagging_fraction=0.7,
    lambda_l2=0.0,
    max_bin=127,
    cat_smooth=50.0,
    cat_l2=10.0,
    max_cat_threshold=16,
    min_data_per_group=100,
)
"""For rows whose next month is unlike this one, as flights are. Those of a day share their weather, so that small leaves learn days by
heart; few features per tree keep a single strong one from crowding out the rest. The cap of rounds guards against learning tune's
month by heart, and a refit made the example's test worse."""


def decided(problem: Problem) -> Settings:
    if problem.cautious:
        return CAUTIOUS
    n, is_log = problem.n_train + problem.n_tune, problem.family in LOG_FAMILIES
    leaves = 7 if n < FEW_ROWS else 15 if is_log else 31
    work = problem.n_train * problem.n_features * problem.n_raw
    cap = max(1, min(MAX_ROUNDS, MAX_TREES // problem.n_raw, int(MAX_WORK // max(1, work))))
    return Settings(
        n_estimators=cap,
        early_stopping_rounds=50,
        early_stopping_share=0.3,
        stopping_folds=5 if n < FEW_ROWS or not problem.n_tune else 0,
        refit=1.1,
        learning_rate=max(_rate(problem), min(MAX_RATE, LEAST_STRIDE / cap)),
        num_leaves=leaves if problem.n_train < MANY_ROWS else 2 * leaves + 1,
        min_leaf_rows=20 if problem.by_time else 5,  # rows near in time are alike
        min_leaf_share=0.0,
        feature_fraction=_feature_fraction(problem),
        bagging_fraction=0.9,
        lambda_l2=1.0,
        max_bin=255,
        cat_smooth=10.0,  # and levels with fewer rows are left out of splits
        cat_l2=10.0,
        max_cat_threshold=16,
        min_data_per_group=min(
            100, max(10, problem.n_train // 50)
        ),  # else few rows leave categories without any split
    )


def choices(problem: Problem) -> list[Settings]:
    """What is decided, and what is tried beside it. Trees that don't get all features learn less by heart; but where one or two
    features tell nearly all, as parts of a sum do, a tree without them is lost."""
    usual = decided(problem)
    if problem.cautious or problem.by_time or usual.feature_fraction == 1:
        return [usual]
    return [usual, replace(usual, feature_fraction=1.0)]


def rounds_again(settings: Settings, best: Sequence[int], by_time: bool) -> list[int]:
    """How many rounds a refit has. Tune's rows, where they are of another season, end training early; once they are learned from,
    what is asked for are the rows after them, which are less far away."""
    least = round(LEAST_REFIT / settings.learning_rate) if by_time else 1
    return [max(min(least, settings.n_estimators), round(settings.refit * n)) for n in best]


def best_of(losses: Sequence[float]) -> int:
    """The place of the least loss; the first one's, unless another is clearly less."""
    least = min(range(len(losses)), key=losses.__getitem__)
    return least if losses[least] < losses[0] - CLEARLY * abs(losses[0]) else 0  # some losses are below zero


def _feature_fraction(problem: Problem) -> float:
    """Trees without what tells the season, such as a date, give its part to other features, which mislead in the next."""
    if problem.by_time or problem.n_features <= FEW_FEATURES:
        return 1.0
    return 0.7 if problem.family in LOG_FAMILIES else 0.8


def _rate(problem: Problem) -> float:
    """Of several classes each round adds as many trees, so that fewer rounds are to do."""
    if problem.family == "multinomial":
        return min(MAX_RATE, 0.02 * problem.n_raw)
    return 0.03 if problem.family in LOG_FAMILIES else 0.05
