"""What breaks from outside: bad input is refused in one line, a crash loses nothing that the next run can't bring back."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from projects import N_RIDES, STAGES, Project, copy_to, leave_free, program, rides

CSV = "data/raw/rides.csv"
MANY_RIDES = 40_000


def reproduced(project: Project) -> Project:
    """The project after a run on the rides, committed."""
    for old, new in (("data: flights", "data: rides"), ("objective: balanced", "objective: quality")):
        project.replace("params.yaml", old, new)
    project.replace("conf/config.yaml", "n_resamples: 500", "n_resamples: 50")
    project.replace("conf/model/lightgbm.yaml", "n_estimators: auto", "n_estimators: 20")
    project.run("dvc", "repro")
    project.commit()
    return project


def contents(project: Project, folder: str) -> dict[str, bytes]:
    root = project.root / folder
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def results(project: Project) -> dict[str, dict[str, bytes]]:
    """What `dvc repro` writes; the pages among the reports are `accord run`'s."""
    reports = contents(project, "reports")
    stages = {
        name
        for name in reports
        if name not in ("measurement.json", "scorecard.json") and not name.endswith((".html", ".md"))
    }
    return {
        "models/bundle": contents(project, "models/bundle"),
        "reports": {name: reports[name] for name in stages},
    }


def with_value(text: str, column: str, value: str, every: int) -> str:
    """The CSV with the value in that column of every so many rows."""
    header, *lines = text.splitlines()
    place = header.split(",").index(column)
    changed = []
    for number, line in enumerate(lines, 1):
        fields = line.split(",")
        if number % every == 0:
            fields[place] = value
        changed.append(",".join(fields))
    return "\n".join([header, *changed]) + "\n"


# Bad input


@pytest.fixture(scope="module")
def untouched(new_project: Callable[[], Project]) -> Project:
    """A project with the rides selected, whose stages run without DVC."""
    project = new_project()
    project.run("python", "-m", "accord.stages.compose", "data=rides", "objective=quality")
    return project


def refusal(project: Project) -> str:
    """The line with which ingest, or else validate, refuses its input, and a line per column that it is about."""
    for stage in ("ingest", "validate"):
        done = project.run("python", "-m", f"accord.stages.{stage}", ok=False)
        if done.returncode:
            assert done.returncode == 2, done.stderr
            first, *details = done.stderr.splitlines()
            assert first.startswith("accord: ")
            assert all(line.startswith("  ") for line in details), done.stderr
            return done.stderr
    raise AssertionError("nothing was refused")


REFUSED: dict[str, tuple[Callable[[str], bytes], list[str]]] = {
    "a missing column": (
        lambda text: text.replace("distance", "distanc", 1).encode(),
        ["Column 'distance' is missing", "found ride, started_at, station, member, distanc,"],
    ),
    "text where numbers are due": (
        lambda text: with_value(text, "distance", "far", every=1).encode(),
        ["3,000 of 3,000 rows", "'distance'", "such as 'far'; expected number", "at most 1.0%"],
    ),
    "instants that are none": (
        lambda text: with_value(text, "started_at", "tomorrow", every=1).encode(),
        ["3,000 of 3,000 rows", "'started_at'", "such as 'tomorrow'; expected datetime"],
    ),
    "one row in twenty out of range": (
        lambda text: with_value(text, "distance", "-3", every=20).encode(),
        ["150 of 3,000 rows (5.0%)", "'distance'", "such as -3.0; expected at least 0"],
    ),
    "one row in twenty without a value": (
        lambda text: with_value(text, "distance", "", every=20).encode(),
        ["150 of 3,000 rows (5.0%)", "'distance'", "expected a value"],
    ),
    "rows that come twice": (
        lambda text: (text + "\n".join(text.splitlines()[1:200]) + "\n").encode(),
        ["398 of 3,199 rows", "duplicate keys (ride: 398 rows)"],
    ),
    "no file": (lambda text: b"", ["is empty", "expected a header and rows"]),
    "a header alone": (lambda text: text.splitlines()[0].encode(), ["has no rows", "expected at least one"]),
    "no UTF-8": (
        lambda text: text.encode().replace(b"harbour", b"harb\xffur", 1),
        ["is not written in utf-8", "byte 0xff in line", "encoding: latin-1"],
    ),
    "another separator": (
        lambda text: text.replace(",", ";").encode(),
        ["has one column, 'ride;started_at;", "with the separator ','", 'separator: ";"'],
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_broken_source_is_refused_with_what_was_found_and_expected(untouched: Project, fault: str):
    spoil, words = REFUSED[fault]
    (untouched.root / CSV).write_bytes(spoil(rides()))
    line = refusal(untouched)
    for expected in words:
        assert expected in line


def test_a_source_that_is_gone_is_refused(untouched: Project):
    (untouched.root / CSV).unlink()
    assert "is not there; expected a file" in refusal(untouched)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_truncated_parquet_is_refused(untouched: Project, keep: float):
    whole = untouched.root / "data/raw/rides.parquet"
    untouched.write(CSV, rides())
    pl.read_csv(untouched.root / CSV).write_parquet(whole)
    lock = untouched.read("conf.lock/ingest.yaml")
    untouched.replace("conf.lock/ingest.yaml", "data/raw/rides.csv", "data/raw/rides.parquet")
    content = whole.read_bytes()
    whole.write_bytes(content[: int(keep * len(content))])
    try:
        line = refusal(untouched)
    finally:
        untouched.write("conf.lock/ingest.yaml", lock)
    assert "data/raw/rides.parquet" in line
    assert "damaged or cut short" in line


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("distance", "far", "distance|type"),
        ("distance", "1e9", "distance|max"),
        ("started_at", "", "started_at|nullability"),
    ],
)
def test_a_few_broken_rows_go_to_quarantine_with_the_reason(
    untouched: Project, column: str, value: str, reason: str
):
    untouched.write(CSV, with_value(rides(), column, value, every=500))
    for stage in ("ingest", "validate"):
        untouched.run("python", "-m", f"accord.stages.{stage}")
    quarantine = pl.read_parquet(untouched.root / "data/quarantine/*.parquet")
    assert quarantine["ride"].to_list() == list(range(500, N_RIDES + 1, 500))
    assert all(reason in reasons for reasons in quarantine["reasons"].to_list())
    report = json.loads(untouched.read("reports/validation.json"))
    assert (report["n_quarantined"], report["n_valid"]) == (6, N_RIDES - 6)
    assert report["broken_rules"][reason] == 6


@pytest.fixture(scope="module")
def ran(new_project: Callable[[], Project]) -> Project:
    return reproduced(new_project())


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["a missing column", "one row in twenty out of range"])
def test_a_refused_run_leaves_earlier_results_and_undoing_the_edit_brings_all_back(ran: Project, fault: str):
    before = results(ran)
    spoil, words = REFUSED[fault]
    (ran.root / CSV).write_bytes(spoil(rides()))
    assert words[0] in ran.refused("accord", "run")
    assert contents(ran, "models/bundle") == before["models/bundle"]
    assert ran.read("reports/evaluation.json").encode() == before["reports"]["evaluation.json"]
    ran.write(CSV, rides())
    assert ran.ran("dvc", "repro") == []
    assert results(ran) == before
    assert ran.run("git", "status", "--porcelain").stdout == ""


# Crashes


@pytest.fixture(scope="module")
def busy(new_project: Callable[[], Project]) -> Project:
    """A project that ran on so many rides that its stages take a moment to write."""
    project = new_project()
    project.write(CSV, rides(MANY_RIDES))
    return reproduced(project)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("moment", ["starts", "writes"])
def test_a_stage_killed_leaves_nothing_that_the_next_run_can_not_mend(busy: Project, stage: str, moment: str):
    before = results(busy)
    assert any(killed(busy, stage, moment, whole_group=False) for _ in range(5)), (
        f"{stage} was too quick to be killed"
    )
    after_a_crash(busy, before, "dvc", "repro")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_dvc_killed_with_its_stage_leaves_no_lock_and_stages_run_again(busy: Project, stage: str):
    before = results(busy)
    assert killed(busy, stage, "starts", whole_group=True)
    after_a_crash(busy, before, "dvc", "repro", "--no-run-cache")


def after_a_crash(project: Project, before: dict[str, dict[str, bytes]], *command: str) -> None:
    """The command brings back what was there, to the byte."""
    bundle = contents(project, "models/bundle")
    assert not bundle or bundle == before["models/bundle"], "a half-written bundle"
    project.run(*command)
    assert results(project) == before
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert project.ran("dvc", "repro") == []


def killed(project: Project, stage: str, moment: str, whole_group: bool) -> bool:
    """Runs the stage by DVC and ends it, or DVC too, with no chance to clean up; whether it was still running."""
    dvc = subprocess.Popen(
        [program("dvc"), "repro", "--force", "--single-item", stage],
        cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        while dvc.poll() is None:
            found = process_of(stage, project.root)
            if found and (moment == "starts" or begins_to_write(project.root, found)):
                os.killpg(dvc.pid, signal.SIGKILL) if whole_group else os.kill(found, signal.SIGKILL)
                break
        return dvc.wait() != 0
    finally:
        if dvc.poll() is None:
            os.killpg(dvc.pid, signal.SIGKILL)
            dvc.wait()


def process_of(stage: str, root: Path) -> int | None:
    """The id of the stage's process in that project, if it runs."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (
                words[1:3] == [b"-m", f"accord.stages.{stage}".encode()]
                and (process / "cwd").resolve() == root.resolve()
            ):
                return int(process.name)
        except OSError:  # it has ended
            continue
    return None


def begins_to_write(root: Path, process: int) -> bool:
    """Waits until a temporary output shows up; False if the process ends before."""
    while Path(f"/proc/{process}/cwd").exists():
        for folder in (".", "data", "data/splits", "models", "reports"):
            if any(path.name.endswith(".tmp") for path in (root / folder).glob(".*.tmp")):
                return True
    return False


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line_and_space_is_all_it_takes_to_go_on(
    small_disk: Path, new_project: Callable[[], Project]
):
    undisturbed = reproduced(new_project())
    undisturbed.write(CSV, rides(MANY_RIDES))
    undisturbed.run("dvc", "repro")

    project = copy_to(small_disk / "project")
    before = contents(reproduced(project), "models/bundle")
    project.write(CSV, rides(MANY_RIDES))
    reached: set[str] = set()
    for kilobytes in (0, 100, 500, 1000, 1500, 2000, 3000):
        leave_free(small_disk, kilobytes * 1000)
        done = project.run("accord", "run", ok=False)
        if done.returncode == 0:  # what earlier tries got done is kept, and the rest fits by now
            break
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("accord: ")]
        assert any("disk is full" in line for line in lines), done.stderr
        reached |= set(re.findall(r"failed to reproduce '(\w+)'", done.stderr))
        assert contents(project, "models/bundle") in ({}, before, contents(undisturbed, "models/bundle"))
    assert len(reached) > 1, "the disk was full at one stage alone"

    (small_disk / "ballast").unlink()
    project.run("dvc", "repro")
    assert results(project) == results(undisturbed)


@pytest.mark.slow
def test_packaging_on_a_full_disk_leaves_no_half_of_a_bento(small_disk: Path):
    project = reproduced(copy_to(small_disk / "project"))
    for kilobytes in (0, 50, 200, 600):
        leave_free(small_disk, kilobytes * 1000)
        assert "disk is full" in project.refused("accord", "package")
    (small_disk / "ballast").unlink()
    is_packaged_whole(project)


@pytest.mark.slow
def test_packaging_killed_leaves_no_half_of_a_bento(new_project: Callable[[], Project]):
    project = reproduced(new_project())
    package = subprocess.Popen(
        [program("accord"), "package"], cwd=project.root, env=project.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while package.poll() is None and not list((project.root / ".bentoml").glob("**/bentos/accord/*/src")):
        time.sleep(0.0005)
    os.killpg(package.pid, signal.SIGKILL)
    assert package.wait() != 0
    is_packaged_whole(project)


def is_packaged_whole(project: Project) -> None:
    [tag] = project.run("accord", "package").stdout.split()
    bento = Project(project.root / ".bentoml/bentos" / tag.replace(":", "/"))
    assert (bento.root / "bento.yaml").exists()
    for folder in ("src/accord", "models/bundle"):
        own = {
            path: content for path, content in contents(project, folder).items() if "__pycache__" not in path
        }
        assert contents(bento, f"src/{folder}") == own


@pytest.mark.slow
def test_a_changed_limit_of_requests_reaches_the_bento(ran: Project):
    """It changes no answer and so no model's id; the service reads it from the Bento all the same."""
    is_packaged_whole(ran)
    ran.replace("conf/serving/default.yaml", "max_rows: 10000", "max_rows: 5")
    ran.run("dvc", "repro")
    is_packaged_whole(ran)
