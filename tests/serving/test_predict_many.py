"""`accord predict` over many rows: in pieces, side by side, after kills, and with one of many files damaged."""

import gzip
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from projects import Project, program
from shipped import shipped

from accord.bundle.bundle import Bundle, load_bundle
from accord.errors import AccordError
from accord.predict import kept as module
from accord.predict import pieces
from accord.predict.predict import predict
from accord.predict.work import Place
from accord.program import machines_reason
from accord.schema.config import Engine
from accord.schema.data import Source

TINY = 40  # rows in memory at once, of both processes


@pytest.fixture(scope="module")
def bundle(packaged: Project) -> Bundle:
    return load_bundle(packaged.paths.bundle)


@pytest.fixture(scope="module")
def rows(packaged: Project) -> pl.DataFrame:
    return pl.read_parquet(packaged.root / "data/splits/*/*.parquet").head(400)


@pytest.fixture
def place(packaged: Project, tmp_path: Path) -> Callable[..., Place]:
    def make(**engine: Any) -> Place:
        own = shipped(Engine, **{"workers": 1, "memory": None, "chunk_rows": None, **engine})
        return Place(packaged.paths.bundle, tmp_path / "scratch", own)

    return make


def source(path: Path | str, **more: Any) -> Source:
    return shipped(Source, path=str(path), **more)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    return path


WAYS: dict[str, Callable[[pl.DataFrame, Path], Path]] = {
    "parquet": lambda rows, folder: write(rows, folder / "rows.parquet"),
    "csv": lambda rows, folder: write(rows, folder / "rows.csv"),
    "csv with line breaks in fields": lambda rows, folder: write(
        rows.with_columns(note=pl.lit('two\nlines, "quoted"')), folder / "rows.csv"
    ),
    "csv of a source without a header": lambda rows, folder: write(rows, folder / "rows.csv"),
    "csv, packed": lambda rows, folder: packed(write(rows, folder / "rows.csv")),
}


def packed(path: Path) -> Path:
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return path.with_suffix(".csv.gz")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_tiny_pieces_give_the_bytes_of_a_whole_file(
    bundle: Bundle, rows: pl.DataFrame, place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    way: str, explain: bool, suffix: str,
):  # fmt: skip
    header = False if way == "csv of a source without a header" else None
    given = source(WAYS[way](rows, tmp_path / "in"), header=header)
    whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
    assert predict(bundle, given, whole, place(), explain) == rows.height
    monkeypatch.setattr(pieces, "PACKED_BYTES", 0)
    tiny = place(chunk_rows=TINY, workers=2 if way == "parquet" else 1)
    assert predict(bundle, given, parts, tiny, explain) == rows.height
    assert parts.read_bytes() == whole.read_bytes()
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_large_file_has_the_same_bytes_however_it_is_cut(
    bundle: Bundle, rows: pl.DataFrame, place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    workers: int,
):  # fmt: skip
    names = pl.col("station")
    odd = rows.with_columns(
        a=names.cast(pl.Categorical), b=names.cast(pl.Enum(["north", "south", "harbour"])), c=names.cast(pl.Binary),
        d=pl.col("distance").cast(pl.Decimal(12, 3)), e=pl.col("started_at").dt.replace_time_zone("Europe/Berlin", ambiguous="earliest", non_existent="null"),
        f=pl.concat_list("distance", "rain"), g=pl.struct("distance", "rain"), h=pl.lit(None),
    )  # fmt: skip
    given = source(write(odd, tmp_path / "rows.parquet"))
    predict(bundle, given, tmp_path / "whole.parquet", place())
    monkeypatch.setattr(pieces, "SMALL_VALUES", 100)
    for n in (TINY, 2 * rows.height * workers):
        predict(bundle, given, tmp_path / f"{n}.parquet", place(chunk_rows=n, workers=workers))
    large = (tmp_path / f"{TINY}.parquet").read_bytes()
    assert large == (tmp_path / f"{2 * rows.height * workers}.parquet").read_bytes()
    assert pl.read_parquet(large).equals(pl.read_parquet(tmp_path / "whole.parquet"))


@pytest.fixture
def many(rows: pl.DataFrame, tmp_path: Path) -> Path:
    """A folder of files, one without rows and some in folders, beside what programs note there."""
    folder = tmp_path / "many"
    write(rows.head(150), folder / "a.parquet")
    write(rows.slice(150, 100), folder / "deeper/b.csv")
    write(rows.head(0), folder / "c.csv")
    write(rows.head(0), folder / "c2.parquet")
    write(rows.slice(250), folder / "z.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".hidden.csv").write_text("nothing")
    (folder / "README.md").write_text("what this is")
    return folder


def test_of_a_folder_each_file_is_written_by_its_name(
    bundle: Bundle, rows: pl.DataFrame, many: Path, place: Callable[..., Place], tmp_path: Path
):
    assert predict(bundle, source(many), tmp_path / "out", place()) == rows.height
    found = contents(tmp_path / "out")
    assert [*found] == ["a.parquet", "c.csv", "c2.parquet", "deeper/b.csv", "z.parquet"]
    for name in ("a.parquet", "deeper/b.csv", "z.parquet"):
        alone = tmp_path / Path(name).name
        predict(bundle, source(many / name), alone, place())
        assert alone.read_bytes() == found[name]
    header = found["deeper/b.csv"].partition(b"\n")[0]
    assert found["c.csv"] == header + b"\n"
    assert pl.read_parquet(found["c2.parquet"]).columns == header.decode().split(",")
    again = tmp_path / "tiny"
    predict(bundle, source(many), again, place(chunk_rows=TINY, workers=2))
    assert contents(again) == found


def test_of_a_pattern_each_file_is_written_into_a_folder_or_all_into_a_file(
    bundle: Bundle, many: Path, place: Callable[..., Place], tmp_path: Path
):
    assert predict(bundle, source(many / "[az].parquet"), tmp_path / "out", place()) == 300
    assert [*contents(tmp_path / "out")] == ["a.parquet", "z.parquet"]
    for name, engine in (("one", {}), ("tiny", {"chunk_rows": TINY})):
        assert (
            predict(bundle, source(many / "[az].parquet"), tmp_path / f"{name}.csv", place(**engine)) == 300
        )
    parts = [pl.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in "az"]
    expected = tmp_path / "expected.csv"
    pl.concat(parts).write_csv(expected)
    assert (
        (tmp_path / "one.csv").read_bytes() == (tmp_path / "tiny.csv").read_bytes() == expected.read_bytes()
    )


def test_a_row_that_breaks_the_contract_far_behind_is_named_and_nothing_is_written(
    bundle: Bundle, rows: pl.DataFrame, place: Callable[..., Place], tmp_path: Path
):
    is_broken = pl.int_range(pl.len()).is_in([301, 302, 390])
    broken = rows.with_columns(distance=pl.when(is_broken).then(-3.0).otherwise("distance"))
    output = tmp_path / "out.csv"
    output.write_text("from an earlier run")
    for path, workers in ((tmp_path / "rows.parquet", 2), (tmp_path / "rows.csv", 1)):
        with pytest.raises(
            AccordError, match=r"2 of the first 3\d\d rows of .* the first is row 302: distance is -3.0"
        ):
            predict(bundle, source(write(broken, path)), output, place(chunk_rows=TINY, workers=workers))
        with pytest.raises(AccordError, match=r"3 of 400 rows of .* the first is row 302: distance is -3.0"):
            predict(bundle, source(path), output, place())
    assert output.read_text() == "from an earlier run"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_damaged_file_among_many_is_named_with_its_rows_and_nothing_is_written(
    bundle: Bundle, rows: pl.DataFrame, many: Path, place: Callable[..., Place], tmp_path: Path
):
    path = many / "q.parquet"
    rows.write_parquet(path, row_group_size=100, statistics=False)
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle - 400 : middle + 400] = os.urandom(800)
    path.write_bytes(whole)
    with pytest.raises(AccordError, match=r"q\.parquet, rows \d+ to \d+, can't be read"):
        predict(bundle, source(many), tmp_path / "out", place(chunk_rows=TINY))
    path.unlink()
    text = write(rows, many / "q.csv").read_bytes().split(b"\n")
    text[300] += b",and more"
    (many / "q.csv").write_bytes(b"\n".join(text))
    with pytest.raises(AccordError, match=r"q\.csv, line 301: found \d+ fields"):
        predict(bundle, source(many), tmp_path / "out", place(chunk_rows=TINY))
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_outputs_that_would_be_inputs_or_each_other_are_refused(
    bundle: Bundle, rows: pl.DataFrame, many: Path, place: Callable[..., Place], tmp_path: Path
):
    before = contents(many)
    for output in (many, many / "out"):
        with pytest.raises(AccordError, match="it lies in"):
            predict(bundle, source(many), output, place())
    with pytest.raises(AccordError, match="it lies in"):
        predict(bundle, source(many / "*.parquet"), many, place())
    with pytest.raises(AccordError, match="it is the file to be predicted"):
        predict(bundle, source(many / "*.parquet"), many / "a.parquet", place())
    write(rows, many / "a.csv")
    packed(many / "a.csv")
    write(rows, many / "a.csv")
    with pytest.raises(AccordError, match="would both be written to"):
        predict(bundle, source(many), tmp_path / "out", place())
    (many / "a.csv").unlink()
    (many / "a.csv.gz").unlink()
    (tmp_path / "file").touch()
    with pytest.raises(AccordError, match="it is a file; expected a folder"):
        predict(bundle, source(many), tmp_path / "file", place())
    (tmp_path / "none").mkdir()
    with pytest.raises(AccordError, match="holds no file to predict"):
        predict(bundle, source(tmp_path / "none"), tmp_path / "out", place())
    assert contents(many) == before


def test_a_file_that_changes_while_it_is_read_is_refused(bundle: Bundle, rows: pl.DataFrame, tmp_path: Path):
    path = write(rows, tmp_path / "rows.csv")
    [piece] = pieces.cut(
        pieces.Piece(pieces.stamp(path), source(path), str(path)), lambda _: 1000, tmp_path, bundle.columns
    )
    assert pieces.read(piece, bundle.columns).height == rows.height
    with path.open("a") as file:
        file.write("one more,row\n")
    with pytest.raises(AccordError, match="was changed while it was read"):
        pieces.read(piece, bundle.columns)
    with pytest.raises(AccordError, match="was changed while it was read"):
        pieces.refuse_changed(replace(piece.file, path=str(tmp_path / "gone.csv")))


def test_a_full_disk_keeps_what_is_finished(
    bundle: Bundle, rows: pl.DataFrame, place: Callable[..., Place], small_disk: Path, tmp_path: Path
):
    """The output is on another disk, where it has to be copied to."""
    given = source(write(rows, tmp_path / "rows.parquet"))
    filler = small_disk / "filler"
    fill(filler)
    with pytest.raises(OSError, match="No space left"):
        predict(bundle, given, small_disk / "out.csv", place(chunk_rows=TINY))
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    filler.unlink()
    assert predict(bundle, given, small_disk / "out.csv", place(chunk_rows=TINY)) == rows.height
    predict(bundle, given, tmp_path / "out.csv", place())
    assert (small_disk / "out.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_full_disk_of_pieces_is_said_and_nothing_is_lost(
    bundle: Bundle, rows: pl.DataFrame, place: Callable[..., Place], small_disk: Path, tmp_path: Path
):
    given = source(write(rows, tmp_path / "rows.parquet"))
    tight = replace(place(chunk_rows=TINY), scratch=small_disk / "scratch")
    fill(small_disk / "filler")
    with pytest.raises(Exception) as found:  # noqa: PT011 - it is Polars' own, or the system's
        predict(bundle, given, tmp_path / "out.parquet", tight)
    assert str(machines_reason(found.value)).startswith("The disk is full")
    assert not (tmp_path / "out.parquet").exists()
    (small_disk / "filler").unlink()
    assert predict(bundle, given, tmp_path / "out.parquet", tight) == rows.height


def test_outputs_that_were_moved_before_a_kill_and_removed_since_are_made_again(
    bundle: Bundle, rows: pl.DataFrame, place: Callable[..., Place], tmp_path: Path
):
    given, output = source(write(rows, tmp_path / "rows.parquet")), tmp_path / "out.parquet"
    made = place()

    class Killed(BaseException):
        pass

    def forgets_nothing(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_forget", forgets_nothing)
        with pytest.raises(Killed):
            predict(bundle, given, output, made)
    before = output.read_bytes()
    assert predict(bundle, given, output, made) == rows.height
    assert output.read_bytes() == before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_forget", forgets_nothing)
        with pytest.raises(Killed):
            predict(bundle, given, output, made)
    output.unlink()
    assert predict(bundle, given, output, made) == rows.height
    assert output.read_bytes() == before


def test_what_another_model_or_input_had_begun_is_swept(
    bundle: Bundle, rows: pl.DataFrame, place: Callable[..., Place], tmp_path: Path
):
    given = source(write(rows, tmp_path / "rows.parquet"))
    old = tmp_path / "scratch/0123456789abcdef"
    old.mkdir(parents=True)
    (old / "about.json").write_text(f'{{"output": "{tmp_path / "out.csv"}"}}')
    other = tmp_path / "scratch/fedcba9876543210"
    other.mkdir()
    (other / "about.json").write_text(f'{{"output": "{tmp_path / "elsewhere.csv"}"}}')
    predict(bundle, given, tmp_path / "out.csv", place())
    assert not old.exists()
    assert other.exists()
    os.utime(other, (0, 0))
    predict(bundle, given, tmp_path / "out.csv", place())
    assert not other.exists()


def fill(path: Path) -> None:
    """Writes to the file until its disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 12)):
            pass


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_every_row_is_there_once(
    packaged: Project, rows: pl.DataFrame, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    project = Project(
        shutil.copytree(packaged.root, tmp_path_factory.mktemp("killed") / "project", symlinks=True)
    )
    lock = project.root / "conf.lock.yaml"
    lock.write_text(lock.read_text().replace("chunk_rows: null", "chunk_rows: 2000"))
    whole = pl.concat([rows] * 100).with_row_index("number")
    folder = tmp_path / "in"
    for i in range(4):
        write(whole.slice(i * 10_000, 10_000), folder / f"{i}.{'csv' if i % 2 else 'parquet'}")
    command = ["accord", "predict", str(folder)]
    project.run(*command, str(tmp_path / "expected"))
    expected, output = contents(tmp_path / "expected"), tmp_path / "out"
    random_moments = random.Random(7)
    for n_kills in (1, 2, 4):
        for _ in range(n_kills):
            killed(project, [*command, str(output)], random_moments.uniform(0.5, 6.0))
        project.run(*command, str(output))
        assert contents(output) == expected
        assert list((project.root / ".accord/scratch/predict").iterdir()) == []
        shutil.rmtree(output)


def killed(project: Project, command: list[str], after_s: float) -> None:
    """Kills the command after as many seconds, if it still runs; the processes that it started end by themselves."""
    process = subprocess.Popen(
        [program(command[0]), *command[1:]], cwd=project.root, env=project.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(after_s)
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
