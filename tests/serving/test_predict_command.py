"""`accord predict` turns a file of rows into one with the pipeline's predictions, or leaves everything as it was."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from projects import Project
from shipped import shipped

from accord import cli
from accord.bundle.bundle import Bundle, load_bundle
from accord.errors import AccordError
from accord.predict.answered import _with_actual
from accord.predict.predict import predict
from accord.predict.work import Place
from accord.schema.config import Engine
from accord.schema.data import Column, Source

READ = {".csv": pl.read_csv, ".parquet": pl.read_parquet}


@pytest.fixture
def files(packaged: Project, tmp_path: Path) -> Path:
    """A folder with the rows of test as CSV and Parquet."""
    frame = pl.read_parquet(packaged.root / "data/splits/test/*.parquet")
    frame.write_csv(tmp_path / "rows.csv")
    frame.write_parquet(tmp_path / "rows.parquet")
    return tmp_path


def place(project: Project, **engine: Any) -> Place:
    own = shipped(Engine, **{"workers": 1, "memory": None, "chunk_rows": None, **engine})
    return Place(project.paths.bundle, project.root / ".accord/scratch/predict", own)


def predicted(project: Project) -> pl.DataFrame:
    return pl.read_parquet(project.root / "data/predictions/test.parquet")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("rows.csv", "out.csv"),
        ("rows.parquet", "out.parquet"),
        ("rows.csv", "out.parquet"),
        ("rows.parquet", "out.csv"),
    ],
)
def test_a_file_is_predicted_with_the_bits_of_the_pipeline(
    packaged: Project, files: Path, source: str, output: str
):
    done = packaged.run("accord", "predict", str(files / source), str(files / output))
    assert done.stdout.startswith(f"{predicted(packaged).height} rows to ")
    found = READ[Path(output).suffix](files / output)
    expected = predicted(packaged)
    assert found.select(expected.columns).equals(expected)
    given = READ[Path(source).suffix](files / source)
    assert found.columns == [*given.columns, *sorted(expected.columns)]
    assert found.height == given.height


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_the_file_that_is_predicted_is_never_written(packaged: Project, files: Path, name: str):
    (files / f"linked_{name}").symlink_to(files / name)
    before = (files / name).read_bytes()
    for output in (files / name, files / f"linked_{name}"):
        with pytest.raises(AccordError, match="it is the file to be predicted"):
            predict(
                load_bundle(packaged.paths.bundle),
                shipped(Source, path=str(files / name)),
                output,
                place(packaged),
            )
    assert (files / name).read_bytes() == before


def test_paths_are_relative_to_where_the_user_stands(
    packaged: Project, files: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = packaged.root / "notebooks.tmp"
    folder.mkdir()
    (folder / "rows.csv").write_bytes((files / "rows.csv").read_bytes())
    monkeypatch.chdir(folder)
    cli.main(["predict", "rows.csv", "deeper/out.parquet"])
    assert (
        pl.read_parquet(folder / "deeper/out.parquet")
        .select(predicted(packaged).columns)
        .equals(predicted(packaged))
    )


def test_columns_may_come_in_any_order_with_others_beside_them(
    packaged: Project, files: Path, monkeypatch: pytest.MonkeyPatch
):
    frame = pl.read_csv(files / "rows.csv")
    turned = frame.select(reversed(frame.columns)).with_columns(note=pl.lit("ü, with a comma"))
    turned.write_csv(files / "turned.csv")
    monkeypatch.chdir(packaged.root)
    cli.main(["predict", str(files / "turned.csv"), str(files / "out.csv")])
    assert pl.read_csv(files / "out.csv").select(predicted(packaged).columns).equals(predicted(packaged))


@pytest.mark.parametrize(
    "changed", [{"decimal": ","}, {"source": "How far (km)"}, {"nulls": ["none"], "nullable": True}]
)
def test_a_raw_file_is_read_as_the_contract_says_that_it_is_written(
    packaged: Project, files: Path, changed: dict[str, Any]
):
    bundle = load_bundle(packaged.root / "models/bundle")
    column = bundle.columns["distance"].model_copy(update=changed)
    bundle = replace(bundle, columns={**bundle.columns, "distance": column})
    text = pl.read_csv(files / "rows.csv", infer_schema=False)
    if "decimal" in changed:
        text = text.with_columns(pl.col("distance").str.replace(".", ",", literal=True))
    if "source" in changed:
        text = text.rename({"distance": "How far (km)"})
    text.write_csv(files / "raw.csv")
    predict(bundle, shipped(Source, path=str(files / "raw.csv")), files / "out.parquet", place(packaged))
    answered = pl.read_parquet(files / "out.parquet")
    assert answered.select(predicted(packaged).columns[-2:]).equals(
        predicted(packaged).select(predicted(packaged).columns[-2:])
    )
    assert answered.columns[: text.width] == text.columns


def broken(name: str) -> pl.Expr:
    """The column with text that no number is in its fifth row."""
    return (
        pl.when(pl.int_range(pl.len()) == 4)
        .then(pl.lit("near"))
        .otherwise(pl.col(name).cast(pl.String))
        .alias(name)
    )


def out_of_range(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(distance=pl.when(pl.int_range(pl.len()) == 4).then(-3.0).otherwise("distance"))


REFUSED = {
    "a missing column": (lambda frame: frame.drop("rain"), "Column 'rain' is missing"),
    "a misspelt column": (lambda frame: frame.rename({"rain": "rian"}), "did you mean 'rian'"),
    "a row out of range": (out_of_range, "row 5: distance is -3.0"),
    "a row of the wrong type": (
        lambda frame: frame.with_columns(broken("distance")),
        "row 5: distance is 'near'",
    ),
    "an unknown value": (
        lambda frame: frame.with_columns(station=pl.lit("moon")),
        "row 1: station is 'moon'",
    ),
    "a missing value": (lambda frame: frame.with_columns(distance=pl.lit(None)), "row 1: distance is None"),
    "a row that breaks a rule": (
        lambda frame: frame.with_columns(
            member=pl.lit(True), distance=pl.when(pl.int_range(pl.len()) == 4).then(95.0).otherwise(1.0)
        ),
        "row 5: it breaks the rule members_ride_near, member IS NULL OR distance < 90",
    ),
    "two missing columns": (
        lambda frame: frame.drop("rain", "station"),
        "are missing from",
    ),
    "two broken columns": (
        lambda frame: frame.with_columns(broken("distance"), station=pl.lit(None)),
        "\n  in column 'distance' (1 rows, such as 'near'; expected number)",
    ),
    "a column called like a target": (
        lambda frame: frame.with_columns(late=pl.lit(1)),
        "has a column called 'late', as the predictions are",
    ),
    "no rows": (lambda frame: frame.head(0), "has no rows"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_rows_that_break_the_contract_are_refused_and_nothing_is_written(
    packaged: Project,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reason: str,
):
    change, expected = REFUSED[reason]
    change(pl.read_csv(files / "rows.csv")).write_csv(files / "changed.csv")
    assert expected in refusal(packaged, monkeypatch, capsys, files / "changed.csv", files / "out.csv")


@pytest.mark.parametrize(
    ("source", "content", "expected"),
    [
        ("empty.csv", b"", "is empty"),
        ("missing.csv", None, "is not there"),
        ("rows.xlsx", b"PK", "unknown kind of file '.xlsx'"),
        ("cut.parquet", b"PAR1 and no more", "can't be read"),
        ("latin.csv", "station,bike\nm\u00fcnster,1\n".encode("latin-1"), "utf-8"),
    ],
)
def test_a_file_that_holds_no_rows_is_refused_and_nothing_is_written(
    packaged: Project, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    source: str, content: bytes | None, expected: str,
):  # fmt: skip
    if content is not None:
        (files / source).write_bytes(content)
    assert expected in refusal(packaged, monkeypatch, capsys, files / source, files / "out.csv")


@pytest.mark.parametrize("output", ["out.xlsx", "out", "out.csv.gz"])
def test_an_output_of_unknown_kind_is_refused(
    packaged: Project,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: str,
):
    error = refusal(packaged, monkeypatch, capsys, files / "rows.csv", files / output)
    assert "expected .csv or .parquet" in error


def test_an_output_that_is_a_folder_is_refused(
    packaged: Project, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (files / "folder.csv").mkdir()
    (files / "folder.csv/kept").write_text("kept")
    monkeypatch.chdir(packaged.root)
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", str(files / "rows.csv"), str(files / "folder.csv")])
    assert ended.value.code == 2
    assert (files / "folder.csv/kept").read_text() == "kept"


def refusal(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: Path,
    output: Path,
) -> str:
    """What the command ends with on standard error: a line, and one for each column if there are several; an earlier output
    stays as it was."""
    output.write_text("from an earlier run")
    monkeypatch.chdir(project.root)
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", str(source), str(output)])
    assert ended.value.code == 2
    line, *details = capsys.readouterr().err.splitlines()
    assert line.startswith("accord: ")
    assert all(detail.startswith("  ") for detail in details)
    assert output.read_text() == "from an earlier run"
    assert not list(output.parent.glob(".*.tmp"))
    return "\n".join([line, *details])


def test_explained_contributions_add_up_to_the_raw_score(packaged: Project) -> None:
    rows = pl.read_parquet(packaged.root / "data/splits/test/*.parquet").head(20)
    rows.write_parquet(packaged.root / "explain-in.parquet")
    packaged.run("accord", "predict", "explain-in.parquet", "explain-out.parquet", "--explain")
    answered = pl.read_parquet(packaged.root / "explain-out.parquet")
    parts = answered.select(pl.sum_horizontal(pl.col(r"^late\|.*$"))).to_series().to_numpy()
    assert answered["late"].to_numpy() == pytest.approx(1 / (1 + np.exp(-parts)), rel=1e-6)


def test_an_outcome_called_like_its_prediction_stands_beside_it():
    rows = pl.DataFrame({"paid back": [1, 0], "churn": [0, 1], "other": [2, 2]})
    outcomes = {
        "churn": shipped(Column, type="integer", role="outcome"),
        "back": shipped(Column, type="integer", role="outcome", source="paid back"),
    }
    bundle = cast(Bundle, SimpleNamespace(outcomes=outcomes))
    assert _with_actual(rows, bundle, ["churn", "paid back", "other"]).columns == [
        "actual_paid back", "actual_churn", "other",
    ]  # fmt: skip
    taken = rows.with_columns(actual_churn=pl.lit(1))
    assert "churn" in _with_actual(taken, bundle, ["churn"]).columns
