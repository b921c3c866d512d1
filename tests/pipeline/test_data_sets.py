"""Data sets of all sorts run by a file in conf/data alone."""

import csv
import io
import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from projects import STAGES, Project

from accord.bundle.bundle import load_bundle

FAST = ("model.n_estimators=20", "evaluation.n_resamples=50")

PARCELS = """
name: parcels
description: Parcels as another system exports them
sources:
  parcels: {path: data/raw/parcels.csv, separator: ";", nulls: ["", "n/a"]}
joins: |
  SELECT "Parcel No." AS parcel, "Sent at" AS sent_at, "Größe (cm)" AS size_cm, "PLZ" AS postcode, "Straße" AS street,
    "Is Gift" AS is_gift, "Comment" AS comment, "Country" AS country, "Days" AS days
  FROM parcels
key: [parcel]
time: {event: sent_at, label_delay: 2d, zone: Europe/Berlin}
columns:
  parcel: {type: category, role: info}
  sent_at: {type: datetime, role: info}
  size_cm: {type: number, min: 0, nullable: true}
  postcode: {type: category, description: looks like a number and is none}
  street: {type: category, description: two hundred of them}
  is_gift: {type: boolean}
  comment: {type: category, nullable: true, description: always missing}
  country: {type: category, description: always the same}
  days: {type: number, role: outcome, min: 0}
split: {test: 0.2, tune: 0.2, holdout: 0.1}
slices: [postcode, is_gift, country]
targets:
  slow: {task: binary, sql: days > 4}
  days: {task: regression, sql: days, loss: poisson, unit: days}
"""

CLAIMS = """
name: claims
description: Insurance claims, one in a hundred of them fraud; no key and no time
sources:
  claims: {path: data/raw/claims.parquet}
columns:
  amount: {type: number, min: 0}
  age: {type: integer, min: 18, max: 120}
  channel: {type: category, values: [web, phone, post]}
  is_fraud: {type: boolean, role: outcome}
slices: [channel]
targets:
  fraud: {task: binary, sql: is_fraud, weight: CASE WHEN amount > 100 THEN 2 ELSE 1 END}
"""


def parcels(n: int = 2500) -> str:
    generator = random.Random(3)
    streets = [f"Straße {i} — Łódź" for i in range(200)]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(
        ["Parcel No.", "Sent at", "Größe (cm)", "PLZ", "Straße", "Is Gift", "Comment", "Country", "Days"]
    )
    for i in range(n):
        zone = timezone(timedelta(hours=generator.choice([1, 2])))
        sent = datetime(2024, 1, 1, tzinfo=zone) + timedelta(minutes=50 * i)
        size, postcode, is_gift = (
            generator.uniform(5, 90),
            generator.choice([10115, 20095, 80331]),
            generator.randint(0, 1),
        )
        days = max(0.0, 1 + size / 20 + (postcode == 80331) + generator.gauss(0, 0.8))
        size_text = "n/a" if generator.random() < 0.05 else f"{size:.1f}"
        writer.writerow(
            [
                f"P{i:05}",
                sent.isoformat(),
                size_text,
                postcode,
                generator.choice(streets),
                is_gift,
                "",
                "DE",
                f"{days:.2f}",
            ]
        )
    return out.getvalue()


def claims(n: int = 20_000) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    amount, age = rng.gamma(2, 60, n), rng.integers(18, 90, n)
    risk = 0.004 + 0.05 * (amount > 350)
    return pl.DataFrame({
        "amount": amount, "age": age, "channel": rng.choice(["web", "phone", "post"], n), "is_fraud": rng.random(n) < risk,
    })  # fmt: skip


@pytest.fixture(scope="module")
def copy(new_project: Callable[[], Project]) -> Project:
    """A project that has not run, with the parcels and the claims."""
    project = new_project()
    project.write("conf/data/parcels.yaml", PARCELS)
    project.write("data/raw/parcels.csv", parcels())
    project.write("conf/data/claims.yaml", CLAIMS)
    claims().write_parquet(project.root / "data/raw/claims.parquet")
    project.commit()
    return project


@pytest.fixture(autouse=True)
def as_found(copy: Project) -> Iterator[None]:
    yield
    copy.run("git", "checkout", "--quiet", ".")


def by_stages(project: Project, *words: str) -> None:
    """The pipeline's stages one after another, without DVC."""
    for stage in STAGES:
        project.run("python", "-m", f"accord.stages.{stage}", *(words if stage == "compose" else ()))


def metrics(project: Project, target: str, split: str = "test") -> dict[str, dict[str, float]]:
    report = json.loads(project.read("reports/evaluation.json"))
    return report["targets"][target]["metrics"][split]


@pytest.mark.slow
def test_another_data_set_runs_by_a_word(new_project: Callable[[], Project]):
    project = new_project()
    done = project.run(
        "accord", "run", "data=diabetes", "objective=quality", "model=baseline", "evaluation.n_resamples=50"
    )
    assert "Packaged   accord:" in done.stdout
    assert (project.root / "reports/index.html").exists()
    rmse = metrics(project, "progression")["rmse"]
    assert rmse["value"] == pytest.approx(rmse["baseline"])


@pytest.mark.slow
def test_a_model_of_an_extra_is_trained_and_served_with_the_library_that_it_needs(
    new_project: Callable[[], Project],
):
    project = new_project()
    words = ("data=diabetes", "objective=quality", "model=catboost", "evaluation.n_resamples=50")
    done = project.run("accord", "run", *words)
    assert "Packaged   accord:" in done.stdout
    rmse = metrics(project, "progression")["rmse"]
    assert rmse["value"] < rmse["baseline"]
    manifest = json.loads(project.read("models/bundle/manifest.json"))
    assert "catboost" in manifest["versions"]
    [lock] = (project.root / ".bentoml/builds").glob("*/env/python/requirements.txt")
    assert "catboost==" in lock.read_text(encoding="utf-8")
    assert "catboost" not in project.read("requirements/serving.lock")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lightgbm", "linear", "catboost"])
@pytest.mark.parametrize(
    ("data", "target", "metric"),
    [
        ("breast_cancer", "malignant", "log_loss"),
        ("diabetes", "progression", "rmse"),
        ("iris", "species", "log_loss"),
    ],
)
def test_a_model_beats_the_baseline_beyond_the_interval(
    copy: Project, data: str, target: str, metric: str, model: str
):
    by_stages(copy, f"data={data}", "objective=quality", f"model={model}")
    found = metrics(copy, target)[metric]
    assert found["high"] < found["baseline"]


@pytest.mark.slow
def test_figures_of_tune_are_of_what_has_not_learned_from_it(copy: Project):
    by_stages(copy, "data=breast_cancer", "objective=quality")
    tune = pl.read_parquet(copy.root / "data/predictions/tune.parquet")["malignant"].to_numpy()
    bundle = load_bundle(copy.root / "models/bundle")
    rows = {
        split: pl.read_parquet(copy.root / f"data/splits/{split}/*.parquet") for split in ("tune", "test")
    }
    assert (tune != bundle.predict(rows["tune"])["malignant"]).mean() > 0.9
    test = pl.read_parquet(copy.root / "data/predictions/test.parquet")["malignant"]
    assert test.to_list() == bundle.predict(rows["test"])["malignant"].tolist()
    trained = bundle.manifest["trained"]["malignant"]
    assert trained["refit_rounds"] > trained["best_rounds"]
    assert trained["num_leaves"] == 7
    copy.run("accord", "report")
    assert '<td class="left">auto</td><td class="left">7</td>' in copy.read("reports/index.html")


@pytest.mark.parametrize("model", ["lightgbm", pytest.param("linear", marks=pytest.mark.slow)])
def test_a_messy_export_runs_once_its_columns_are_renamed(copy: Project, model: str):
    by_stages(
        copy,
        "data=parcels",
        "objective=quality",
        f"model={model}",
        *(FAST if model == "lightgbm" else FAST[1:]),
    )
    validation = json.loads(copy.read("reports/validation.json"))
    assert (validation["n_quarantined"], validation["leaks"]) == (0, [])
    valid = pl.read_parquet(copy.root / "data/valid/*.parquet").sort("parcel")
    assert valid["sent_at"][0] in (datetime(2023, 12, 31, 22), datetime(2023, 12, 31, 23))
    assert valid["postcode"].unique().sort().to_list() == ["10115", "20095", "80331"]
    assert valid["is_gift"].dtype == pl.Boolean
    assert valid["comment"].null_count() == valid.height
    assert "Łódź" in valid["street"][0]
    found = metrics(copy, "days")["rmse"]
    assert found["high"] < found["baseline"]
    copy.run("accord", "report")
    assert copy.read("reports/index.html").count("80331") > 0


def test_headers_with_spaces_are_listed_as_they_are(copy: Project):
    joins = PARCELS[PARCELS.index("joins:") : PARCELS.index("key:")]
    copy.replace("conf/data/parcels.yaml", joins, "")
    copy.run("python", "-m", "accord.stages.compose", "data=parcels", "objective=quality")
    line = copy.refused("python", "-m", "accord.stages.ingest")
    assert line.startswith("accord: Columns 'parcel', 'sent_at', 'size_cm',")
    assert "found Parcel No., Sent at, Größe (cm), PLZ," in line
    assert "joins" in line


@pytest.mark.parametrize("name", ["Parcel No.", "Größe", "2nd", "is gift"])
def test_a_column_name_that_sql_would_have_to_quote_is_refused(copy: Project, name: str):
    copy.replace("conf/data/parcels.yaml", "  parcel: {type", f'  "{name}": {{type')
    line = copy.refused("python", "-m", "accord.stages.compose", "data=parcels", "objective=quality")
    assert name in line
    assert "conf/data/parcels.yaml" in line


@pytest.mark.slow
def test_rare_positives_without_key_or_time_run_with_weights(copy: Project):
    by_stages(copy, "data=claims", "objective=quality", *FAST)
    rows = json.loads(copy.read("reports/accounting.json"))
    assert sum(rows["splits"].values()) == rows["n_rows"] == 20_000
    auc, log_loss = metrics(copy, "fraud")["auc"], metrics(copy, "fraud")["log_loss"]
    assert auc["value"] > 0.55
    assert log_loss["value"] < 2 * log_loss["baseline"]
    assert (
        0.005
        < json.loads(copy.read("reports/evaluation.json"))["targets"]["fraud"]["mean_outcome"]["test"]
        < 0.02
    )


@pytest.mark.slow
def test_weights_change_the_model(copy: Project):
    by_stages(copy, "data=claims", "objective=quality", *FAST)
    weighted = copy.read("models/bundle/models/fraud")
    copy.replace("conf/data/claims.yaml", ", weight: CASE WHEN amount > 100 THEN 2 ELSE 1 END", "")
    by_stages(copy, "data=claims", "objective=quality", *FAST)
    assert copy.read("models/bundle/models/fraud") != weighted


@pytest.mark.slow
@pytest.mark.parametrize("weight", ["0 - amount", "CASE WHEN age > 50 THEN 1 END"])
def test_a_weight_that_is_negative_or_missing_is_refused(copy: Project, weight: str):
    copy.replace("conf/data/claims.yaml", "CASE WHEN amount > 100 THEN 2 ELSE 1 END", weight)
    for stage in ("compose", "ingest", "validate", "split", "featurize"):
        copy.run(
            "python",
            "-m",
            f"accord.stages.{stage}",
            *(("data=claims", "objective=quality") if stage == "compose" else ()),
        )
    line = copy.refused("python", "-m", "accord.stages.train")
    assert "objective.targets.fraud.weight" in line
    assert "expected 0 or more" in line
