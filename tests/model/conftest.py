"""Examples that hold what real rows bring: missing numbers, levels training never saw, a constant, an empty column."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from accord.models import Examples, Feature, Fitted, Matrix, Vector, loading
from accord.tasks.registry import OWN

ROOT = Path(__file__).parents[2]
OPTIONS = sorted(path.stem for path in (ROOT / "conf/model").glob("*.yaml"))
CLASSES = ("low", "middle", "high")
TASKS = {name: task.of_classes(CLASSES) if task.of_classes else task for name, task in OWN.items()}
LOSS_OF = {loss.name: loss for task in TASKS.values() for loss in task.losses}
LOSSES = tuple(LOSS_OF)
UNSEEN, MISSING = 4, 5
FEATURES = [
    Feature("x"),
    Feature("z"),
    Feature("colour", n_codes=6),  # four levels, one code for unseen, one for missing
    Feature("constant"),
    Feature("empty"),
]


@dataclass(frozen=True)
class Problem:
    """An easy one: the outcome follows x, z and the colour."""

    train: Examples
    tune: Examples
    test: Examples


def matrix(n: int, generator: np.random.Generator) -> Matrix:
    x, z = generator.normal(size=n), generator.normal(5, 2, size=n)
    x[generator.random(n) < 0.1] = np.nan
    colour = generator.integers(0, MISSING + 1, size=n).astype(float)
    return np.column_stack([x, z, colour, np.full(n, 7.0), np.full(n, np.nan)])


def outcomes(X: Matrix, loss: str, generator: np.random.Generator) -> Vector:
    raw = (
        np.nan_to_num(X[:, 0]) + 0.3 * (X[:, 1] - 5) + np.array([-1.0, 0, 0.5, 1, 0, 0])[X[:, 2].astype(int)]
    )
    if loss == "log":
        return (generator.random(len(X)) < 1 / (1 + np.exp(-2 * raw))).astype(float)
    if loss == "poisson":
        return generator.poisson(np.exp(raw)).astype(float)
    if loss == "tweedie":  # a sum for some, zero for the others
        return np.where(generator.random(len(X)) < 0.5, generator.gamma(2.0, np.exp(raw)), 0.0)
    noise = 0.1 * generator.normal(size=len(X))
    return np.digitize(raw + noise, [-0.5, 0.5]).astype(float) if loss == "softmax" else raw + noise


def problem(loss: str) -> Problem:
    generator = np.random.default_rng(20130701)
    parts = []
    for n in (500, 250, 250):
        X = matrix(n, generator)
        if not parts:  # training meets no unseen level
            X[X[:, 2] == UNSEEN, 2] = 0.0
        parts.append(Examples(X, outcomes(X, loss, generator)))
    return Problem(*parts)


@pytest.fixture(scope="session")
def problems() -> dict[str, Problem]:
    return {loss: problem(loss) for loss in LOSSES}


@pytest.fixture(scope="session")
def fit(problems: dict[str, Problem]) -> Callable[..., Fitted]:
    """Fits an option of conf/model as its file has it."""

    def fitted(option: str, loss: str, train: Examples | None = None, seed: int = 1) -> Fitted:
        params = yaml.safe_load((ROOT / f"conf/model/{option}.yaml").read_text(encoding="utf-8"))
        data = problems[loss]
        return loading.build(params).fit(FEATURES, LOSS_OF[loss], train or data.train, data.tune, seed)

    return fitted


@pytest.fixture(
    scope="session",
    params=[(option, loss) for option in OPTIONS for loss in LOSSES],
    ids=lambda case: "-".join(case),
)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """An option of conf/model and a loss."""
    return request.param


@pytest.fixture(scope="session")
def trained(case: tuple[str, str], fit: Callable[..., Fitted]) -> Fitted:
    return fit(*case)


@pytest.fixture(scope="session")
def data(case: tuple[str, str], problems: dict[str, Problem]) -> Problem:
    return problems[case[1]]
