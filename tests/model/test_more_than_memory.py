"""Training on more rows than fit into memory: the same bytes, and a refusal where a model can't be trained so."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from shipped import shipped

from accord.engines import mapped
from accord.engines.room import Room
from accord.errors import AccordError
from accord.features.transform import fit
from accord.files import sha256, write_json
from accord.models import Extent, loading
from accord.schema.config import Features
from accord.schema.data import Column
from accord.schema.objective import Target
from accord.tasks.registry import OWN
from accord.training import jobs

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as stage train does it
ROOT = Path(__file__).parents[2]
N_TRAIN, N_TUNE = 3000, 600
COLUMNS = {"x": shipped(Column, type="number"), "z": shipped(Column, type="number"), "level": shipped(Column, type="category")}  # fmt: skip
TARGETS = {
    "late": shipped(Target, task="binary", sql="delay > 0"),
    "minutes": shipped(Target, task="regression", sql="delay"),
    "cost": shipped(Target, task="regression", sql="delay * delay", loss="tweedie", weight="1 + z * z"),
    "known": shipped(Target, task="regression", sql="CASE WHEN x < 1 THEN delay END"),
    "known_too": shipped(Target, task="binary", sql="CASE WHEN x < 1 THEN delay > 1 END"),
    "count": shipped(Target, task="regression", sql="delay * delay", loss="poisson"),
}
MODELS: dict[str, dict[str, Any]] = {
    "plain": {"n_estimators": 12, "refit": 0},
    "refit": {"n_estimators": 12, "refit": 1.5, "feature_fraction": 0.7},
    "folds": {"n_estimators": 12, "stopping_folds": 3, "refit": 1.0},
    "bag": {"_target_": "accord.models.lightgbm.LightGBMBag", "n_estimators": 12, "n_folds": 3},
    "linear": {"_target_": "accord.models.linear.Linear", "C": 1.0, "max_iter": 50},
}


def params(name: str) -> dict[str, Any]:
    own = MODELS[name]
    if own.get("_target_", "").endswith("Linear"):
        return own
    file = "lightgbm_bag" if "Bag" in own.get("_target_", "") else "lightgbm"
    return {**yaml.safe_load((ROOT / f"conf/model/{file}.yaml").read_text(encoding="utf-8")), **own}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Splits and their matrices."""
    folder, generator = tmp_path_factory.mktemp("made"), np.random.default_rng(3)
    rows = {}
    for split, n in (("train", N_TRAIN), ("tune", N_TUNE)):
        x, z = generator.normal(size=(2, n))
        rows[split] = pl.DataFrame({
            "x": x, "z": z, "level": generator.choice(["a", "b", "c"], n), "delay": x + z * (x > 0) + generator.normal(size=n),
        })  # fmt: skip
        for part in range(3):
            file = folder / f"splits/{split}/rows-{part}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            rows[split].slice(part * n // 3, n // 3).write_parquet(file)
    transform = fit(rows["train"], COLUMNS, {}, shipped(Features))
    write_json(folder / "features/transform.json", transform.as_dict())
    for split, frame in rows.items():
        np.save(folder / f"features/{split}.npy", transform.matrix(frame))
    return folder


def job(name: str, model: str, folder: Path, output: Path, **more: Any) -> jobs.Job:
    return jobs.Job(
        name, TARGETS[name], params(model), 7, folder / "features", folder / "splits", output, **more
    )


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array with a value for each row is on disk, and made of few rows at a time."""
    monkeypatch.setattr(mapped, "MAX_BYTES", 0)
    monkeypatch.setattr(mapped, "PART_ROWS", 170)


@pytest.fixture(scope="module")
def in_memory(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hash of what each model leaves that is trained by itself, on one thread, of rows in memory."""
    output = tmp_path_factory.mktemp("trained")
    for model in MODELS:
        for name in TARGETS:
            jobs.train_one(job(name, model, folder, output / model))
    return {f"{model} {name}": sha256(output / model / name) for model in MODELS for name in TARGETS}


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize(
    ("model", "threads"), [("plain", 1), ("plain", 2), ("refit", 2), ("folds", 1), ("bag", 2), ("linear", 1)]
)
def test_models_in_turn_on_mapped_rows_are_those_of_each_by_itself(
    folder: Path, in_memory: dict[str, str], tmp_path: Path, model: str, threads: int
):
    room, matrices = Room(chunk_rows=170, scratch=tmp_path / "scratch", threads=threads), jobs.Matrices()
    for name in TARGETS:
        jobs.train_one(job(name, model, folder, tmp_path / model, room=room), matrices)
        assert sha256(tmp_path / model / name) == in_memory[f"{model} {name}"], name
    assert list((tmp_path / "scratch").iterdir()) == []


def test_targets_with_outcomes_for_the_same_rows_share_a_data_set(folder: Path, tmp_path: Path):
    room, matrices, of = Room(scratch=tmp_path / "scratch"), jobs.Matrices(), {}
    for name in TARGETS:
        jobs.train_one(job(name, "plain", folder, tmp_path, room=room), matrices)
        of[name] = room.kept["train"][-1]
    assert of["late"] is of["minutes"]
    assert of["known"] is of["known_too"]
    assert len({id(made) for made in of.values()}) == 4  # weights, and other rows, need their own


def test_jobs_go_in_turn_where_memory_holds_no_two(folder: Path, in_memory: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    monkeypatch.setattr(jobs, "MANY_ROWS", 0)
    wanted = [job(name, "refit", folder, tmp_path) for name in ("late", "minutes")]
    memory = max(map(jobs.needed, wanted)) * 3 // 2
    notes = jobs.train_all(wanted, 2, memory)
    assert [sha256(tmp_path / one.name) for one in wanted] == [in_memory[f"refit {one.name}"] for one in wanted]  # fmt: skip
    assert notes[-1] == "memory for a model estimated at 0.3 GB, of 0.5 GB (engine.memory)"


def test_a_model_that_can_not_be_trained_in_the_memory_is_refused_before(folder: Path, tmp_path: Path):
    wanted = [job(name, "refit", folder, tmp_path) for name in ("late", "minutes")]
    said = r"LightGBM needs about 0\.3 GB of memory for late: 3,000 rows .* 3 features\. It may take 0\.2 GB \(engine\.memory\): raise"
    with pytest.raises(AccordError, match=said):
        jobs.train_all(wanted, 2, 200_000_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["plain", "refit", "folds", "bag", "linear"])
def test_more_rows_and_features_need_more_memory(model: str):
    built, loss = loading.build(params(model)), OWN["binary"].losses[0]

    def needs(n_train: int, n_features: int) -> int:
        features = [replace(feature, name=str(i)) for i, feature in enumerate(FEATURES * n_features)]
        return built.needs(Extent(n_train, 1000), features, loss)

    assert needs(1_000_000, 1) < needs(2_000_000, 1) < needs(2_000_000, 2)


FEATURES = fit(pl.DataFrame({"x": [1.0]}), {"x": COLUMNS["x"]}, {}, shipped(Features)).features
TRAINED = """
import os, sys
from pathlib import Path
import numpy as np
sys.path[:0] = sys.argv[1:3]
import test_more_than_memory as test
from accord.engines import bound
from accord.engines.room import Room
from accord.training import jobs

folder, threads, model = Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
room = Room(chunk_rows=100_000, scratch=folder / "scratch", threads=threads)
job = test.job("minutes", model, folder, folder / "trained", room=room)
bound.limit(jobs.needed(job))
jobs.train_one(job)
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("model", ["plain", "refit", "folds", "bag", "linear"])
def test_a_model_is_trained_in_as_much_memory_as_it_is_said_to_need(tmp_path: Path, model: str, threads: int):
    n, generator = 600_000, np.random.default_rng(1)
    columns = {f"x{i}": shipped(Column, type="number") for i in range(20)}
    X = generator.normal(size=(n, 20))
    transform = fit(pl.DataFrame(X[:10], schema=list(columns)), columns, {}, shipped(Features))
    write_json(tmp_path / "features/transform.json", transform.as_dict())
    for split in ("train", "tune"):
        np.save(tmp_path / f"features/{split}.npy", X if split == "train" else X[:60_000])
        (tmp_path / "splits" / split).mkdir(parents=True)
        delay = (X if split == "train" else X[:60_000])[:, :3].sum(axis=1)
        pl.DataFrame({"delay": delay}).write_parquet(tmp_path / f"splits/{split}/rows-00000.parquet")
    done = subprocess.run(
        [sys.executable, "-c", TRAINED, str(Path(__file__).parent), str(ROOT / "tests"), str(tmp_path), str(threads), model],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
