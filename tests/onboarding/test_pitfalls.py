"""What trips other tools up: odd tables become the data set that a colleague expects, and what can't be one is refused in one line."""

import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from projects import Project

from accord import cli

N = 400
RNG = np.random.default_rng(0)
X = RNG.normal(size=N).round(4)
LATE = (X + RNG.normal(size=N) > 0).astype(int)
PLAIN = "x,z,late\n" + "".join(f"{X[i]},{i % 7},{LATE[i]}\n" for i in range(N))
HEAD, _, ROWS = PLAIN.partition("\n")


@dataclass(frozen=True)
class Done:
    code: int
    said: str
    """What stands on the terminal, errors last."""
    text: str
    """The file in conf/data."""

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """Those in the contract, by their name in the table."""
        found = yaml.safe_load(self.text)["columns"]
        return {column.get("source", name): column for name, column in found.items()}

    def target(self) -> dict[str, Any]:
        [target] = yaml.safe_load(self.text)["targets"].values()
        return target


@pytest.fixture(scope="module")
def copy(new_project: Callable[[], Project]) -> Project:
    return new_project()


@pytest.fixture
def onboard(
    copy: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """Runs the command on a file of this content; None for one that is there."""
    monkeypatch.chdir(copy.root)

    def run(content: Any, target: str = "late", *words: str, file: str = "odd.csv") -> Done:
        path = tmp_path / file
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path) if path.suffix == ".parquet" else content.write_csv(path)
        elif content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        code: Any = 0
        try:
            cli.main(["onboard", str(path), "--name", "odd", f"--target={target}", *words])
        except SystemExit as end:
            code = end.code
        said = "".join(capsys.readouterr())
        written = copy.root / "conf/data/odd.yaml"
        return Done(code, said, written.read_text(encoding="utf-8") if written.exists() else "")

    yield run
    copy.run("git", "checkout", "--quiet", ".")
    copy.run("git", "clean", "--quiet", "--force", "-d")


def cycle(*values: Any) -> list[Any]:
    return [values[i % len(values)] for i in range(N)]


def table(late: Sequence[Any] | np.ndarray = LATE, **columns: Any) -> pl.DataFrame:
    columns = {"x": X, **columns, "late": late}
    return pl.DataFrame(
        {name: pl.Series(values, strict=False) for name, values in columns.items()}, strict=False
    )


def each(form: Callable[[int], Any]) -> list[Any]:
    return [form(i) for i in range(N)]


def text(values: Iterable[Any]) -> list[str]:
    return [str(value) for value in values]


COLUMNS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "bands that look like dates": (cycle("1-2", "3-5", "", "6-10", "2-3"), {"type": "category", "nullable": True}),
    "a question mark with blanks": (each(lambda i: " ?" if i % 9 == 0 else str(i % 31)), {"type": "integer", "nulls": ["?"]}),
    "huge ids": (each(lambda i: str(9007199254740993000 + i)), {"type": "category", "role": "info", "min": None}),
    "a code with a zero in the last row": (each(lambda i: "01" if i == N - 1 else str(10 + i % 40)), {"type": "category"}),
    "a float in the last row": (each(lambda i: "1.5" if i == N - 1 else str(i % 60)), {"type": "number"}),
    "numbers and V12": (cycle("123", "321", "V12"), {"type": "category", "values": ["123", "321", "V12"]}),
    "phones": (each(lambda i: f"+34{123456789 + i}"), {"type": "category", "pii": "hash"}),
    "zip": (cycle("02139", "10001", "94105", "60601", "33101"), {"type": "category"}),
    "compact days": (each(lambda i: f"2017{1 + i % 12:02}{1 + i % 28:02}"), {"type": "datetime", "format": "%Y%m%d"}),
    "days of which one decides": (each(lambda i: f"{1 + i % 28:02}/{1 + i % 12:02}/2023"), {"type": "datetime", "format": "%d/%m/%Y"}),
    "instants": (each(lambda i: f"2023-{1 + i % 12:02}-{1 + i % 28:02} {i % 24:02}:00:00"), {"type": "datetime"}),
    "free text": (each(lambda i: f"word {i} and {i * 7} more"), {"type": "category", "role": "info"}),
    "Swiss thousands": (each(lambda i: f"{i // 7 + 1}'{100 + i % 800}.50"), {"type": "number", "thousands": "'"}),
    "thin blanks": (each(lambda i: f"{i // 9 + 1}\u202f{100 + i % 700},25"), {"type": "number", "thousands": "\u202f", "decimal": ","}),
    "oui": (cycle("oui", "non", "oui"), {"type": "boolean", "true_words": ["oui"], "false_words": ["non"]}),
    "nein": (cycle("Ja", "nein", "ja ", "nein", "NEIN"), {"type": "boolean"}),
    "years of two digits": (each(lambda i: f"{1 + i % 12:02}/{1 + i % 28:02}/{20 + i % 4}"), {"type": "datetime", "format": "%m/%d/%y"}),
    "names of months": (each(lambda i: f"{1 + i % 28} {['January', 'May'][i % 2]} {2020 + i % 3}"), {"type": "datetime", "format": "%d %B %Y"}),
    "week dates": (each(lambda i: f"2023-W{1 + i % 52:02}"), {"type": "category"}),
    "times alone": (each(lambda i: f"{i % 24:02}:{i % 4}0"), {"type": "category"}),
    "durations": (each(lambda i: f"{i % 5}h {i % 6}m"), {"type": "category"}),
    "percent and shares": (each(lambda i: f"{i % 90}%" if i % 2 else f"0.{i % 90}"), {"type": "category"}),
    "scientific": (each(lambda i: f"{X[i] * 3 + i % 3:.3e}"), {"type": "number"}),
    "no days at all": (each(lambda i: f"2023-01-{1 + i % 28:02}" if i % 10 else "0000-00-00"), {"type": "datetime", "nulls": ["0000-00-00"]}),
    "no end yet": (each(lambda i: f"2023-02-{1 + i % 28:02}" if i % 9 else "9999-12-31 00:00:00"), {"type": "datetime", "nulls": ["9999-12-31 00:00:00"]}),
    "quotes, lines and tabs": (each(lambda i: f'a "{i % 6}"\n\tb'), {"type": "category"}),
}  # fmt: skip


def test_each_column_of_an_odd_table_is_taken_for_what_it_is(onboard: Callable[..., Done]):
    done = onboard(table(**{name: values for name, (values, _) in COLUMNS.items()}))
    assert done.code == 0, done.said
    for name, (_, keys) in COLUMNS.items():
        found = done.columns[name]
        assert {key: found.get(key) for key in keys} == keys, name


def test_the_order_of_rows_and_columns_changes_no_type(onboard: Callable[..., Done]):
    odd = table(**{name: values for name, (values, _) in COLUMNS.items()})
    keys = [
        {name: {k: v for k, v in column.items() if k not in ("values", "min", "max")} for name, column in onboard(one, "late", "--force").columns.items()}
        for one in (odd, odd.sample(fraction=1, shuffle=True, seed=3).select(sorted(odd.columns)))
    ]  # fmt: skip
    assert keys[0] == keys[1]


WIDE = {f"c{i}": text(RNG.integers(0, 4, N)) for i in range(44)}
TARGETS: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "ratings": (table([f"{i % 5 + 1}.0" for i in RNG.permutation(N)]), (), "task: multiclass"),
    "numbers in quotes and not": (HEAD + "\n" + "".join(f'{X[i]},{i % 7},{["3", chr(34) + "0" + chr(34), "5"][i % 3]}\n' for i in range(N)), (), "type: integer"),
    "infinities": (table(each(lambda i: "inf" if i % 20 == 0 else "NaN" if i % 20 == 1 else f"{X[-i] * 2:.3f}")), (), "task: regression"),
    "counts": (table(RNG.poisson(30, N)), (), "loss: poisson"),
    "numbers of few values": (table(**WIDE), (), "c43: {type: integer"),
    "a type that was said": (table(z=cycle("1", "2", "3")), ("--type", "z=category"), "z: {type: category"),
    "one day in 2700": (table(at=each(lambda i: f"{2700 if i == N - 1 else 2023}-0{1 + i % 9}-{1 + i % 28:02}")), (), "at_in_range"),
    "semicolons": (PLAIN.replace(",", ";"), (), 'separator: ";"'),
    "bars": (PLAIN.replace(",", "|"), (), 'separator: "|"'),
    "names that mean something here": (table(unique_id=text(range(N)), prediction=X[::-1], weight=X**2, score=X**3, row_id=text(range(N)), split=cycle("a", "b")), (), "own_score:"),
    "a copy of the target": (table(copy=LATE, word=np.where(LATE, "A", "B")), (), "known only later"),
    "a byte-order mark": (PLAIN.encode("utf-8-sig"), (), 'encoding: "utf-8-sig"'),
    "ends of lines mixed": ("".join(line + ("\r\n" if i % 2 else "\n") for i, line in enumerate(PLAIN.splitlines())), (), "z: {type: integer"),
    "a separator at each end": (PLAIN.replace("\n", ",\n"), (), "z: {type: integer"),
    "a line of units": (f"{HEAD}\n[m],[kg],[-]\n{ROWS}", (), "z: {type: integer"),
    "rows three times": (PLAIN + ROWS * 2, (), "task: binary"),
    "blanks behind the answer": (table(cycle("Yes", "yes ", "No", " no")), (), "late = true"),
    "an answer that is missing": (table(cycle("yes", "no", "?")), (), "late = true"),
    "an answer that is unknown": (table(cycle("yes", "no", "unknown")), (), "task: multiclass"),
    "-1 beside 0 and 1": (table(cycle(0, 1, 0, 1, -1)), (), "task: regression"),
    "-999 beside 0 and 1": (table(cycle(0, 1, 0, 1, -999)), (), "late = 1"),
    "a word among amounts": (table(each(lambda i: "abc" if i == 5 else f"{RNG.normal() + X[i]:.3f}")), (), "task: regression"),
    "two bytes a letter": (PLAIN.encode("utf-16"), (), 'encoding: "utf-16"'),
    "four bytes a letter": (PLAIN.encode("utf-32"), (), 'encoding: "utf-32"'),
    "western letters": (PLAIN.replace("z", "größe").encode("latin-1"), (), 'encoding: "latin-1"'),
    "a word that is no sum": (table(kind=each(lambda i: "Total" if i == N - 1 else f"k{i % 3}")), (), "kind: {type: category"),
}  # fmt: skip


@pytest.mark.parametrize("case", TARGETS)
def test_a_table_becomes_what_a_colleague_expects(onboard: Callable[..., Done], case: str):
    content, words, expected = TARGETS[case]
    done = onboard(content, "late", *words)
    assert done.code == 0, done.said
    assert expected in done.text


def test_what_is_missing_of_the_target_is_counted_and_no_class(onboard: Callable[..., Done]):
    done = onboard(TARGETS["infinities"][0])
    assert "40 of 400 rows have no late (20 'NaN', 20 'inf')" in done.said


def test_the_other_task_is_named_with_the_word_that_switches(onboard: Callable[..., Done]):
    assert "--task regression" in onboard(TARGETS["ratings"][0]).text


def test_what_looks_too_good_is_named_with_the_reason(onboard: Callable[..., Done]):
    done = onboard(table(near=LATE + 0.001 * X, z=X[::-1]))
    assert "near looks too good to be known in time: late alone reaches AUC" in done.said


@pytest.mark.parametrize(
    "name",
    ["select", "null", "True", "no", "on", "NaN", 'a"b', "a\\b", "\U0001f600", "${x}", "a:b", "#a", "a,b", "a\nb", " late", "1", "a=b", "--x"],
)  # fmt: skip
def test_a_target_may_have_any_name(onboard: Callable[..., Done], name: str):
    done = onboard(pl.DataFrame({"x": X, "z": X[::-1], name: LATE}), name)
    assert done.code == 0, done.said
    assert name in [source.replace("\\${", "${") for source in done.columns]
    assert done.target()["sql"].endswith(" = 1")


def zipped(flag: int = 0, method: int | None = None) -> bytes:
    """An archive that says that its member has these flags, or is packed by this method."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", PLAIN)
    found = bytearray(out.getvalue())
    listed = found.rfind(b"PK\x01\x02")
    for at in (6, listed + 8):
        found[at] |= flag
    for at in (8, listed + 10):
        found[at] = found[at] if method is None else method
    return bytes(found)


def parquet(**columns: Any) -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"x": X, **columns}).write_parquet(out)
    return out.getvalue()


AMBIGUOUS = table(day=cycle("01/02/2023", "04/07/2024", "03/05/2023"))
REFUSED: dict[str, tuple[str, Any, tuple[str, ...], str]] = {
    "days in two orders": ("odd.csv", AMBIGUOUS, (), "choose: --type day=%d/%m/%Y or --type day=%m/%d/%Y"),
    "a row of sums": ("odd.csv", f"{PLAIN}Total,1200,{LATE.sum()}\n", (), "the last row has 'Total', and its late"),
    "sums beside words": ("odd.csv", table(g=cycle("a", "b")).select("g", "x", "late").write_csv() + f"Total:,,{LATE.sum()}\n", (), "the last row has 'Total:'"),
    "a comment above": ("odd.csv", f"# made by x\n{PLAIN}", (), "above the header nothing may stand"),
    "the target twice": ("odd.csv", "x,late,late\n1,0,0\n2,1,1\n", (), "several columns of one name: 'late'"),
    "one column": ("odd.csv", "late\n" + "0\n1\n" * 9, (), "no column but late"),
    "one value": ("odd.csv", table([1] * N), (), "all 400 known rows have the value 1"),
    "no value": ("odd.csv", table([None] * N), (), "no row has a value"),
    "rows all alike": ("odd.csv", "x,z,late\n" + "1,a,0\n1,a,1\n" * 99, (), "no column to predict late from: x has the same value in every row"),
    "nothing but a copy": ("odd.csv", "x,late\n" + "0,0\n1,1\n" * 99, (), "--role 'x=feature'"),
    "two rows": ("odd.csv", "x,late\n1,0\n2,1\n", (), "of 2 rows tune and test would have none with an outcome"),
    "a key that is the target": ("odd.csv", PLAIN, ("--key", "late"), "the rows can't be split"),
    "a date as target": ("odd.csv", table(each(lambda i: f"2023-01-{1 + i % 28:02}")), (), "a time, which no task predicts"),
    "ragged rows": ("odd.csv", "x,z,late\n1,2,0\n1,2\n3,4,1\n", (), "line 3: found 2 fields; expected 3"),
    "a header alone": ("odd.csv", "x,z,late\n", (), "has no rows"),
    "nothing": ("odd.csv", "", (), "is empty"),
    "no such target": ("odd.csv", PLAIN, ("--target", "lte"), "did you mean 'late'"),
    "a time that is none": ("odd.csv", PLAIN, ("--time", "z"), "--time z: it was read as integer"),
    "a type that fits no value": ("odd.csv", PLAIN, ("--type", "z=%Q"), "--type z: none of 400 values can be read as %Q"),
    "two separators": ("odd.csv", PLAIN, ("--separator", "::"), "separator '::': expected a single sign"),
    "a separator of no ASCII": ("odd.csv", PLAIN, ("--separator", "é"), "separator 'é': expected a single sign"),
    "two quotes": ("odd.csv", PLAIN, ("--quote", "''"), "expected a single sign"),
    "an unknown encoding": ("odd.csv", PLAIN, ("--encoding", "klingon"), "encoding 'klingon': Python knows none of this name"),
    "a cut gzip file": ("odd.csv.gz", gzip.compress(PLAIN.encode())[:500], (), "cut short"),
    "a cut archive": ("odd.zip", zipped()[:500], (), "cut short"),
    "an archive with a password": ("odd.zip", zipped(flag=1), (), "password"),
    "an archive of another method": ("odd.zip", zipped(method=99), (), "without a password and by deflate"),
    "a cut Parquet file": ("odd.parquet", parquet(late=LATE)[:900], (), "cut short"),
    "an empty Parquet file": ("odd.parquet", table().head(0), (), "has no rows"),
    "a nested target": ("odd.parquet", pl.DataFrame({"x": X, "late": [[1]] * N}), (), "of a type that none of the contract holds"),
    "Parquet called CSV": ("odd.csv", parquet(late=LATE), (), "is no CSV but a Parquet file"),
    "bytes": ("odd.csv", bytes(range(256)) * 9, (), "its bytes are no text"),
    "an unknown suffix": ("odd.json", "{}", (), "unknown kind of file '.json'"),
    "a folder": ("", None, (), "is a folder"),
    "a file that isn't there": ("other.csv", None, (), "is not there"),
    "a name too long": ("a" * 5000, None, (), "File name too long"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_a_data_set_is_refused_in_one_line_and_nothing_is_written(
    onboard: Callable[..., Done], copy: Project, case: str
):
    file, content, words, why = REFUSED[case]
    done = onboard(content, "late", *words, file=file)
    assert done.code == 2, done.said
    assert why in done.said
    assert "Traceback" not in done.said
    assert len(done.said.splitlines()) == 1
    assert copy.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path), lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "loop", "device"])  # fmt: skip
def test_what_is_no_file_is_not_read(onboard: Callable[..., Done], tmp_path: Path, make: Callable):
    make(tmp_path / "odd.csv")
    done = onboard(None)
    assert done.code == 2
    assert "is no file of its own" in done.said


@pytest.mark.parametrize(
    "source",
    ["http://127.0.0.1:9/t.csv", "s3://bucket/t.csv", "file:///etc/passwd", "package://nothing/t.csv"],
)
def test_an_address_that_nothing_reads_is_refused(onboard: Callable[..., Done], source: str, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["onboard", source, "--target", "late"])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_of_another_packing_keeps_its_suffix(onboard: Callable[..., Done]):
    done = onboard(lzma.compress(PLAIN.encode()), file="odd.csv.xz")
    assert 'path: "data/raw/odd.csv.xz"' in done.text


def test_types_of_parquet_are_kept_or_left_out_with_a_word(onboard: Callable[..., Done]):
    columns = {
        "many": pl.Series([2**63 + i % 20 for i in range(N)], dtype=pl.UInt64),
        "word": pl.Series(cycle("a", "b", "c"), dtype=pl.Categorical),
        "amount": pl.Series(text(X)).cast(pl.Decimal(10, 4)),
        "at": pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2025, 1, 1), "1d", time_zone="Europe/Berlin", eager=True).extend_constant(None, N - 367),
        "list": [[1, 2]] * N,
    }  # fmt: skip
    done = onboard(pl.DataFrame({"x": X[::-1], **columns, "late": LATE}), file="odd.parquet")
    assert done.code == 0, done.said
    assert {name: column["type"] for name, column in done.columns.items()} == {
        "x": "number", "many": "category", "word": "category", "amount": "number", "at": "datetime", "late": "integer",
    }  # fmt: skip
    assert "list is left out: no type of the contract holds List(Int64)" in done.said
