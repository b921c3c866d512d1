"""Each kind of damage, planted in a project that has run, is named with the command that mends it; what can be mended
without a loss is; and nothing is changed by looking."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from projects import Project
from shipped import shipped
from traffic_records import predicted, refused

from accord import locks
from accord.doctor import examination
from accord.schema.serving import Serving
from accord.serving import token
from accord.traffic import compaction
from accord.traffic.log import TrafficLog
from accord.traffic.records import encode

GARBAGE = bytes(range(256)) * 4
TRAFFIC = shipped(Serving).traffic.model_copy(update={"min_free_mb": 0})


@pytest.fixture(scope="module")
def healthy(new_project: Callable[[], Project]) -> Project:
    """A project with two releases, a log of traffic, a token, and nothing damaged."""
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model=baseline")
    project.commit()
    project.run("accord", "promote")
    project.run("accord", "run", "model=lightgbm", "model.n_estimators=20")
    project.run("accord", "promote", "--commit")
    project.commit()
    today = datetime.now(UTC)
    for _ in range(2):
        log = TrafficLog(project.paths.traffic, TRAFFIC)
        log.append(encode(predicted(at=today)))
        log.append(encode(refused(at=today)))
        log.close()
        if not list(project.paths.traffic.glob("predictions/*")):
            compaction.compact(project.paths.traffic, TRAFFIC)
    token.own(project.paths.token)
    (project.paths.bentoml / "serving/3000").mkdir(parents=True)
    return project


@pytest.fixture
def project(healthy: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of one's own, which is damaged."""
    copy = Project(tmp_path / "project")
    shutil.copytree(healthy.root, copy.root, symlinks=True)
    monkeypatch.delenv("ACCORD_TOKEN", raising=False)
    return copy


def named(project: Project) -> list[str]:
    """The findings' lines, but for the one that other code runs than the project's: these tests call it in their process."""
    found = examination.examine(project.paths, 60).findings
    return [finding.line() for finding in found if finding.what != "The program accord"]


def mend(project: Project) -> list[str]:
    said: list[str] = []
    examination.treat(project.paths, 60, said.append)
    return said


def contents(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder with its mode and when it was changed."""
    found = {}
    for path in sorted(root.rglob("*")):
        if "__pycache__" not in path.parts:
            about = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (about.st_mode, about.st_mtime_ns, content)
    return found


# What is planted


def champion(project: Project) -> dict[str, str]:
    record: dict[str, str] = json.loads(project.read("models/champion.json"))
    return record


def cut(path: str, share: float = 0.5) -> Callable[[Project], None]:
    def plant(project: Project) -> None:
        content = (project.root / path).read_bytes()
        put(path, content[: int(len(content) * share)])(project)

    return plant


def put(path: str, content: bytes | str) -> Callable[[Project], None]:
    def plant(project: Project) -> None:
        file = project.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = file.stat().st_mode if file.exists() else 0o644
        file.unlink(missing_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(mode & 0o777)

    return plant


def remove(path: str) -> Callable[[Project], None]:
    def plant(project: Project) -> None:
        target = project.root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return plant


def folder_at(path: str) -> Callable[[Project], None]:
    def plant(project: Project) -> None:
        (project.root / path).unlink(missing_ok=True)
        (project.root / path).mkdir(parents=True)

    return plant


def file_at(path: str) -> Callable[[Project], None]:
    def plant(project: Project) -> None:
        shutil.rmtree(project.root / path, ignore_errors=True)
        put(path, "text\n")(project)

    return plant


def link_at(path: str) -> Callable[[Project], None]:
    def plant(project: Project) -> None:
        target = project.root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        target.symlink_to("/nowhere/at/all")

    return plant


def mode(path: str, bits: int) -> Callable[[Project], None]:
    return lambda project: (project.root / path).chmod(bits)


def first(project: Project, pattern: str) -> str:
    return sorted(project.root.glob(pattern))[0].relative_to(project.root).as_posix()


def at(pattern: str, damage: Callable[[str], Callable[[Project], None]]) -> Callable[[Project], None]:
    """The damage at the first file that the pattern finds."""
    return lambda project: damage(first(project, pattern))(project)


def zeroed(path: str) -> Callable[[Project], None]:
    return put(path, b"")


def spoiled(path: str) -> Callable[[Project], None]:
    return put(path, GARBAGE)


def out_object(project: Project, out: str) -> str:
    """Where DVC's cache has the first file of an out."""
    import yaml

    stages = yaml.safe_load(project.read("dvc.lock"))["stages"].values()
    md5 = next(one["md5"] for stage in stages for one in stage["outs"] if one["path"] == out)
    return f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"


def member(project: Project, list_path: str) -> str:
    md5 = json.loads(project.read(list_path))[0]["md5"]
    return f"{list_path.split('/md5/')[0]}/md5/{md5[:2]}/{md5[2:]}"


def store_list(project: Project) -> str:
    """The list of the champion's files in the store."""
    pointer = project.read(f"models/releases/{champion(project)['model_id']}.dvc")
    md5 = pointer.split("md5: ")[1].split()[0]
    return f".releases/files/md5/{md5[:2]}/{md5[2:]}"


def of_champion(
    damage: Callable[[str], Callable[[Project], None]], suffix: str = ""
) -> Callable[[Project], None]:
    return lambda project: damage(f"models/releases/{champion(project)['model_id']}{suffix}")(project)


def without_cache(project: Project) -> None:
    """As in a new clone, but for what git and the store have."""
    import yaml

    shutil.rmtree(project.root / ".dvc/cache")
    for stage in yaml.safe_load(project.read("dvc.lock"))["stages"].values():
        for out in stage["outs"]:
            if not out["path"].startswith("conf.lock"):
                remove(out["path"])(project)


def champion_of_another_data_set(project: Project) -> None:
    project.replace("params.yaml", "data: rides", "data: diabetes")
    project.replace("params.yaml", "objective: quality", "objective: quality")
    from accord.config import compose, lock, selection

    values = compose.composed(selection.read(project.paths), project.paths.conf)
    project.write("conf.lock.yaml", lock.dump(values))


def release_lost(project: Project) -> None:
    """The release before the champion, of which nothing else in the project has the bytes."""
    lost = json.loads(project.read("models/releases.jsonl").splitlines()[0])["model_id"]
    for path in (f"models/releases/{lost}", ".releases", ".dvc/cache"):
        remove(path)(project)


def with_setting(key: str, old: str, new: str) -> Callable[[Project], None]:
    """Another setting of the log, in conf/ and in the lock."""

    def plant(project: Project) -> None:
        project.replace("conf/serving/default.yaml", f"{key}: {old} ", f"{key}: {new} ")
        project.replace("conf.lock.yaml", f"{key}: {old}.0\n", f"{key}: {new}\n")

    return plant


def in_the_future(project: Project) -> None:
    record = {**champion(project), "at": "2199-01-01T00:00:00+00:00"}
    project.write("models/champion.json", json.dumps(record))


def with_conflict(path: str) -> Callable[[Project], None]:
    def plant(project: Project) -> None:
        text = project.read(path)
        project.write(path, f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n")

    return plant


def corrupt_pages(path: str) -> Callable[[Project], None]:
    """Bytes within the file, whose footer stays whole."""

    def plant(project: Project) -> None:
        content = (project.root / path).read_bytes()
        put(path, content[:4] + GARBAGE[:200] + content[204:])(project)

    return plant


def with_line(path: str, line: str) -> Callable[[Project], None]:
    return lambda project: project.write(path, f"{project.read(path)}{line}\n")


SEGMENT = "data/traffic/segments/*.jsonl"
PARQUET = "data/traffic/predictions/*/*.parquet"
PLAN = json.dumps(
    {"id": "1", "at": "2024-03-01T00:00:00+00:00", "action": "train", "reason": "a month has passed", "evidence": {},
     "cutoff": "2024-03-01", "window": "expanding", "champion": None, "batches": []}
)  # fmt: skip
RECORD = {
    "action": "promote",
    "model_id": "0123456789abcdef",
    "at": "2024-01-01T00:00:00+00:00",
    "by": "t",
    "reason": "r",
}

MENDED: dict[str, tuple[Callable[[Project], None], str]] = {
    "rwlock empty": (zeroed(".dvc/tmp/rwlock"), ".dvc/tmp/rwlock is empty"),
    "rwlock corrupt": (spoiled(".dvc/tmp/rwlock"), ".dvc/tmp/rwlock is damaged"),
    "rwlock stale": (
        put(".dvc/tmp/rwlock", '{"read": {}, "write": {"x": {"pid": 4194303, "cmd": "dvc repro"}}}'),
        "names 'dvc repro' (process 4194303), which has ended",
    ),
    "rwlock a folder": (lambda p: (remove(".dvc/tmp/rwlock")(p), folder_at(".dvc/tmp/rwlock")(p), None)[-1], "rwlock is a folder"),
    "lock a folder": (lambda p: (remove(".dvc/tmp/lock")(p), folder_at(".dvc/tmp/lock")(p), None)[-1], ".dvc/tmp/lock is a folder"),
    "dvc.lock cut short": (cut("dvc.lock", 0.37), "dvc.lock is damaged or cut short"),
    "dvc.lock empty": (zeroed("dvc.lock"), "dvc.lock is empty"),
    "dvc.lock missing": (remove("dvc.lock"), "dvc.lock is missing"),
    "dvc.lock a folder": (folder_at("dvc.lock"), "dvc.lock is a folder"),
    "run cache entry half written": (at(".dvc/cache/runs/*/*/*", cut), "run cache entry"),
    "run cache entry empty": (at(".dvc/cache/runs/*/*/*", zeroed), "run cache entry"),
    "cache object corrupt": (lambda p: spoiled(member(p, out_object(p, "models/bundle")))(p), "DVC's cache of "),
    "cache object missing": (lambda p: remove(member(p, out_object(p, "models/bundle")))(p), "DVC's cache of "),
    "cache gone": (remove(".dvc/cache/files"), "DVC's cache of "),
    "an out missing": (remove("models/bundle"), "models/bundle is missing"),
    "an out half there": (remove("models/bundle/manifest.json"), "models/bundle is not what DVC's hash says (manifest.json)"),
    "an out spoiled": (spoiled("models/bundle/transform.json"), "(transform.json)"),
    "an out a file": (file_at("data/splits"), "data/splits is a file, where a folder is expected"),
    "pointer cut short": (of_champion(lambda path: cut(path), ".dvc"), ".dvc is damaged"),
    "champion missing": (remove("models/champion.json"), "champion.json is missing"),
    "champion half written": (cut("models/champion.json"), "champion.json is damaged or cut short"),
    "champion empty": (zeroed("models/champion.json"), "champion.json is empty"),
    "champion of zeros": (put("models/champion.json", bytes(500)), "champion.json holds nothing but zeros"),
    "champion forgotten": (put("models/champion.json", "{}\n"), "names no champion, though there are releases"),
    "champion a list": (put("models/champion.json", "[1, 2]\n"), "champion.json is damaged"),
    "champion without keys": (put("models/champion.json", '{"model_id": "0123456789abcdef"}'), "lacks one of the keys"),
    "champion a folder": (folder_at("models/champion.json"), "champion.json is a folder"),
    "champion a dangling link": (link_at("models/champion.json"), "champion.json is a link to /nowhere"),
    "release log with a broken line": (with_line("models/releases.jsonl", '{"action": "prom'), "has 1 lines that are no records: line 3"),
    "release log of random bytes": (spoiled("models/releases.jsonl"), "releases.jsonl is no text"),
    "release log empty": (zeroed("models/releases.jsonl"), "releases.jsonl is empty"),
    "release log missing": (remove("models/releases.jsonl"), "releases.jsonl is missing"),
    "release log in conflict": (with_conflict("models/releases.jsonl"), "releases.jsonl holds a conflict"),
    "release missing here": (of_champion(remove), "is missing. A rollback to it"),
    "release half here": (of_champion(remove, "/manifest.json"), "is not what its pointer says (manifest.json)"),
    "release missing in the store": (remove(".releases"), "is not whole in the store"),
    "release half in the store": (lambda p: remove(member(p, store_list(p)))(p), "is not whole in the store"),
    "release corrupt in the store": (lambda p: spoiled(member(p, store_list(p)))(p), "its bytes don't have its hash"),
    "release list corrupt in the store": (lambda p: spoiled(store_list(p))(p), "its bytes don't have its hash"),
    "release without a pointer": (of_champion(remove, ".dvc"), "has no pointer"),
    "log's folder a file": (file_at("data/traffic"), "data/traffic is a file"),
    "log's folder not for writing": (mode("data/traffic", 0o500), "data/traffic has mode 0500"),
    "log's folder for anybody": (mode("data/traffic/segments", 0o777), "can be written by any user"),
    "segment for anybody": (at(SEGMENT, lambda path: mode(path, 0o644)), "any user of this machine can read it"),
    "segment a folder": (lambda p: (path := first(p, SEGMENT), folder_at(path)(p), None)[-1], "is a folder"),
    "segment with damaged lines": (at(SEGMENT, lambda path: with_line(path, "no record")), "has 1 lines that are no records"),
    "segment a dangling link": (at(SEGMENT, link_at), "is a link to /nowhere"),
    "Parquet corrupt": (at(PARQUET, spoiled), "is damaged or cut short"),
    "Parquet empty": (at(PARQUET, zeroed), ".parquet is empty"),
    "Parquet cut short": (at(PARQUET, cut), "is damaged or cut short"),
    "Parquet corrupt within": (at(PARQUET, corrupt_pages), "is damaged or cut short"),
    "a day that is none": (folder_at("data/traffic/predictions/day=2024-13-77"), "is no day"),
    "a day that is a file": (file_at("data/traffic/refusals"), "refusals is a file"),
    "housekeeping report cut": (cut("data/traffic/housekeeping.json"), "housekeeping.json is damaged"),
    "Bento missing": (remove(".bentoml"), "is missing. accord serve builds it"),
    "Bento a dangling link": (at(".bentoml/builds/*", lambda _: lambda p: [remove(b.relative_to(p.root).as_posix())(p) for b in p.root.glob(".bentoml/builds/*")] and None), "is a link to"),
    "Bento half there": (lambda p: remove(f"{bento(p)}/bento.yaml")(p), "has a bento.yaml that is missing"),
    "Bento of another format": (lambda p: put(f"{bento(p)}/src/models/bundle/manifest.json", '{"format": 1}')(p), "has format 1"),
    "Bento of other code": (lambda p: with_line(f"{bento(p)}/src/src/accord/client.py", "# changed")(p), "its src/accord is not the project's"),
    "Bento of the code before": (with_line("src/accord/client.py", "# changed"), "holds other code"),
    "Bento for nobody else": (lambda p: mode(bento(p), 0o700)(p), "can't be read by other users"),
    "token missing": (remove(".accord/token"), ".accord/token is missing"),
    "token for all eyes": (mode(".accord/token", 0o644), "other users can read it"),
    "token empty": (zeroed(".accord/token"), ".accord/token is empty"),
    "token a folder": (folder_at(".accord/token"), ".accord/token is no file"),
    "token a link": (link_at(".accord/token"), ".accord/token is a link"),
    "token of random bytes": (spoiled(".accord/token"), "something else than a token"),
    "conf.lock.yaml of other settings": (lambda p: p.replace("conf.lock.yaml", "n_estimators: 20", "n_estimators: 21"), "doesn't match conf"),
    "conf.lock.yaml of random bytes": (spoiled("conf.lock.yaml"), "doesn't match"),
    "a slice missing": (remove("conf.lock/train.yaml"), "conf.lock/train.yaml doesn't match"),
    "slices a file": (file_at("conf.lock"), "conf.lock is a file"),
    "params.yaml of random bytes": (spoiled("params.yaml"), "params.yaml is no text"),
    "params.yaml a folder": (folder_at("params.yaml"), "params.yaml is a folder"),
    "params.yaml missing": (remove("params.yaml"), "params.yaml is missing"),
    "dvc.yaml empty": (zeroed("dvc.yaml"), "dvc.yaml is empty"),
    "dvc.yaml without stages": (put("dvc.yaml", "stage: 1\n"), "dvc.yaml is damaged"),
    "conf a file": (file_at("conf"), "conf is a file"),
    "an option of random bytes": (spoiled("conf/serving/default.yaml"), "conf/serving/default.yaml is no text"),
    "DVC's config empty": (zeroed(".dvc/config"), ".dvc/config is empty"),
    "DVC's config without the store": (put(".dvc/config", "[core]\n    analytics = false\n"), "no remote 'releases'"),
    "list of batches of another shape": (put("data/batches.json", "[]"), "data/batches.json is damaged"),
    "code cut short": (put("src/accord/traffic/log.py", "def ("), "src/accord/traffic/log.py is damaged"),
    "code missing": (remove("src/accord/commands/replay.py"), "commands/replay.py is missing"),
    "requirements.lock empty": (zeroed("requirements.lock"), "requirements.lock is empty"),
    "scorecard cut short": (cut("reports/scorecard.json"), "reports/scorecard.json is damaged"),
    "scorecard a list": (put("reports/scorecard.json", "[]"), "reports/scorecard.json is damaged"),
    "plan of a retraining cut short": (put(".accord/retraining.json", PLAN[:40]), "what it was about is lost"),
    "own folder a file": (file_at(".accord"), ".accord is a file"),
    "cache a file": (file_at(".dvc/cache"), ".dvc/cache is a file"),
    "leftovers of killed commands": (
        lambda p: (put("models/.bundle.tmp", "x")(p), put(".dvc/cache/files/md5/aa/.x.tmp", "x")(p), folder_at("models/releases/.x.tmp")(p), None)[-1],
        "left of commands that were killed",
    ),
    "git's lock": (put(".git/index.lock", ""), "is left of a git that was killed"),
}  # fmt: skip
"""What --fix mends."""

NAMED: dict[str, tuple[Callable[[Project], None], str]] = {
    "a clone without bytes": (without_cache, "This clone has the pointers without the bytes"),
    "champion that was never released": (put("models/champion.json", json.dumps({**RECORD, "previous": None, "scorecard": {}})), "names 0123456789abcdef"),
    "champion of another data set": (champion_of_another_data_set, "a model of the data set rides"),
    "champion in conflict": (with_conflict("models/champion.json"), "accord rollback"),
    "dvc.lock in conflict": (with_conflict("dvc.lock"), "git checkout --ours"),
    "params.yaml in conflict": (with_conflict("params.yaml"), "choose a side"),
    "a package of another version": (lambda p: p.write("requirements.lock", p.read("requirements.lock").replace("\npolars==", "\npolars==0.")), "rather than 0."),
    "a package that is missing": (with_line("requirements.lock", "no-such-thing==1.0"), "lacks no-such-thing"),
    "the log full": (
        with_setting("max_mb", "10000", "0.0001"),
        "its limit is serving.traffic.max_mb",
    ),
    "the disk full": (
        with_setting("min_free_mb", "200", "1000000000000000.0"),
        "MB left, less than",
    ),
    "a clock in the past": (in_the_future, "is of 2199-01-01"),
    "an interrupted retraining": (put(".accord/retraining.json", PLAN), "accord retrain, which carries it out"),
    "a source missing": (lambda p: (p.run("git", "rm", "--quiet", "--cached", "data/raw/rides.csv"), p.commit_index(), remove("data/raw/rides.csv")(p), None)[-1], "data/raw/rides.csv is missing"),
    "no git": (remove(".git"), ".git is missing"),
    "git's head damaged": (spoiled(".git/HEAD"), "is refused by git"),
    "a release nowhere whole": (release_lost, "the store hasn't got all of it either"),
}  # fmt: skip
"""What takes a person, or hours."""


def bento(project: Project) -> str:
    return f".bentoml/bentos/accord/{champion(project)['model_id']}"


@pytest.mark.slow
def test_nothing_is_found_in_a_healthy_project_and_nothing_is_changed_by_looking(healthy: Project) -> None:
    before = contents(healthy.root)
    done = healthy.run("accord", "doctor")
    assert done.stdout.splitlines()[-1].startswith("Healthy: ")
    assert contents(healthy.root) == before


def named_without_a_change(project: Project, words: str) -> bool:
    """Whether a finding says so, and looking changed nothing."""
    before = contents(project.root)
    lines = named(project)
    assert contents(project.root) == before
    return any(words in line.replace(f"{project.root}/", "") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("damage", MENDED)
def test_damage_that_can_be_mended_without_a_loss_is_named_and_mended(project: Project, damage: str) -> None:
    plant, words = MENDED[damage]
    plant(project)
    assert named_without_a_change(project, words)
    said = mend(project)
    assert named(project) == [], said
    assert (
        champion(project)["model_id"] == json.loads(project.read("models/bundle/manifest.json"))["model_id"]
    )
    assert len(project.read("models/releases.jsonl").splitlines()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("damage", NAMED)
def test_damage_that_takes_a_decision_is_named_and_stays_so(project: Project, damage: str) -> None:
    plant, words = NAMED[damage]
    plant(project)
    assert named_without_a_change(project, words)
    mend(project)
    assert named_without_a_change(project, words)


@pytest.mark.slow
def test_the_doctor_works_where_other_commands_refuse_to_start(project: Project) -> None:
    for path in ("dvc.yaml", "params.yaml", "src/accord/commands/run.py"):
        zeroed(path)(project)
    shutil.rmtree(project.root / "conf")
    done = project.run("accord", "doctor", ok=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stdout.splitlines()[-1].startswith("Damaged: ")
    done = project.run("accord", "doctor", "--fix", ok=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("Healthy: ")


@pytest.mark.slow
def test_a_bundle_of_other_code_is_named(project: Project) -> None:
    with_line("src/accord/bundle/bundle.py", "# changed")(project)
    done = project.run("accord", "doctor", ok=False)
    assert "models/bundle was made by other code than src/accord has now" in done.stdout


@pytest.mark.slow
def test_the_bento_of_a_champion_that_was_made_again_by_other_code_is_none_of_other_code(
    project: Project,
) -> None:
    with_line("src/accord/bundle/bundle.py", "# changed")(project)
    project.run("accord", "run")
    made, released = (
        json.loads((folder / "manifest.json").read_text())
        for folder in (project.paths.bundle, project.paths.releases / champion(project)["model_id"])
    )
    assert made["model_id"] == released["model_id"]
    assert made["code_sha256"] != released["code_sha256"]
    assert not any("Bento" in line for line in named(project))


@pytest.mark.slow
def test_the_doctor_does_not_take_itself_for_another_command(project: Project) -> None:
    of_champion(remove, "/manifest.json")(project)
    done = project.run("accord", "doctor", "--fix", ok=False)
    assert "is at work in this project" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Healthy: ")


@pytest.mark.slow
def test_nothing_is_mended_while_another_command_is_at_work(project: Project) -> None:
    zeroed("models/champion.json")(project)
    with locks.alone(project.paths.command_lock):
        assert "is at work in this project" in project.refused("accord", "doctor", "--fix")


@pytest.mark.slow
def test_a_port_that_another_program_has_is_named(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        project.replace("conf.lock.yaml", "port: 3000", f"port: {taken.getsockname()[1]}")
        assert any("is taken by" in line for line in named(project))


@pytest.mark.slow
def test_files_of_another_user_are_named(project: Project) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(project.root / "models/champion.json", 12345, 12345)
    assert any("belongs to user 12345" in line for line in named(project))


@pytest.mark.slow
def test_what_is_not_compared_with_its_hash_in_time_is_said(project: Project) -> None:
    [note] = examination.examine(project.paths, 1e-9).notes
    assert "were not; for all of it: accord doctor --seconds" in note
