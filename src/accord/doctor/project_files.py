"""The files that people and git bring: the code, the configuration, git itself, and merges that were left half done."""

import os
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml

from accord import conflicts, dvc
from accord.doctor import mending
from accord.doctor.finding import Finding, in_one_line, json_of, read, trouble, yaml_of
from accord.errors import AccordError
from accord.paths import Paths
from accord.promotion.card import Scorecard

GENERATED = ("scorecard", "decision", "measurement", "simulation", "tradeoff")
"""Reports that a command writes from others, and the command where it isn't called so."""
MAKERS = {"scorecard": "accord judge", "decision": "accord monitor", "measurement": "accord measure"}


class Stages(msgspec.Struct):
    stages: dict[str, dict[str, Any]]


class Listed(msgspec.Struct):
    file: str
    sha256: str
    data: str


class BatchList(msgspec.Struct):
    batches: list[Listed]


def git(paths: Paths) -> Iterator[Finding]:
    """Git's own folder, its lock files, and merges that were begun."""
    if not os.path.lexists(paths.git):
        yield Finding(str(paths.git), "is missing", "DVC works in a git repository alone", "git init")
        return
    asked = mending.git(paths, "status", "--porcelain", "--untracked-files=no")
    if asked.returncode:
        yield Finding(
            str(paths.git),
            f"is refused by git: {in_one_line(asked.stderr)}",
            "Nothing can be committed, and DVC refuses to start",
            "git fsck, or clone the project again and move data/ and .dvc/cache there",
        )
        return
    for lock in dvc.git_leftovers(paths):
        yield Finding(
            str(lock),
            "is left of a git that was killed",
            "Git refuses to write until it is gone",
            f"accord doctor --fix, or rm {lock}",
            partial(_mended_by_dvc, paths, f"{lock} is removed"),
        )
    entries = mending.git(paths, "ls-files", "--unmerged").stdout.splitlines()
    unmerged = [entry.partition("\t")[2] for entry in entries]
    marked = dict(conflicts.found(paths))
    for name in sorted({*unmerged, *map(paths.in_root, marked)}):
        path = paths.root / name
        if path in marked and path in (paths.release_log, paths.retraining_log, paths.tries):
            continue  # said of the logs
        how = marked.get(path, f"look at it, then git add {path}")
        yield Finding(
            str(path),
            "holds a conflict" if path in marked else "is not merged yet",
            "A merge was begun and is not ended: git commits nothing",
            how,
        )


def needed(paths: Paths) -> Iterator[Finding]:
    """Each file of the project that commands can't do without, and folders that they write to."""
    for path, parse in _needed(paths).items():
        _, problem = read(path, paths.root, parse)
        if not os.path.lexists(path):
            problem = "is missing"
        if problem is not None:
            yield _of_git(path, problem, "Commands that read it refuse to start", paths)
    for folder in (paths.conf, paths.slices, paths.root / "src/accord", paths.dvc):
        problem = trouble(folder, paths.root, is_folder=True)
        if not os.path.lexists(folder):
            problem = "is missing"
        if problem is not None:
            yield _of_git(folder, problem, "Nothing runs without it", paths)
    own = (paths.own, paths.dvc / "tmp", paths.bentoml, paths.root / "data", paths.root / "models", paths.root / "reports")  # fmt: skip
    for folder in own:
        problem = trouble(folder, paths.root, is_folder=True, is_written=True)
        if problem is not None:
            yield folder_finding(folder, problem, "Commands can't write there", paths)


def code(paths: Paths) -> Iterator[Finding]:
    """Python files that no Python compiles or that git has and the project has not, and whose code it is that runs."""
    import accord

    package = paths.root / "src/accord"
    running = Path(accord.__file__).parent
    if package.is_dir() and running.resolve() != package.resolve():
        yield Finding(
            "The program accord",
            f"runs the code in {running}",
            f"What {package} says has no effect on commands",
            "source .venv/bin/activate, or set the project up: rm -f .venv/.ready && make setup",
        )
    gone = mending.git(paths, "ls-files", "--deleted", "--", "src/accord").stdout.splitlines()
    for name in gone:
        yield _of_git(paths.root / name, "is missing", "Commands that import it end in an error", paths)
    for path in sorted(package.rglob("*.py")):
        _, problem = read(path, paths.root, partial(compile, filename=str(path), mode="exec"))
        if problem is not None and not (problem == "is empty" and _is_empty_in_git(path, paths)):
            yield _of_git(path, problem, "Commands that import it end in an error", paths)


def config(paths: Paths) -> Iterator[Finding]:
    """Whether conf/ and params.yaml compose, and whether conf.lock.yaml and its slices say the same."""
    from accord.config import compose, lock, selection, slices

    try:
        values = compose.composed(selection.read(paths), paths.conf)
    except (AccordError, OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        yield Finding(
            str(paths.params),
            f"and {paths.conf} give no valid config: {in_one_line(error)}",
            "The pipeline can't run",
            f"correct it, or take back what was changed: git diff {paths.params} {paths.conf}",
        )
        return
    wanted = {paths.config_lock: lock.dump(values)} | {
        paths.slices / f"{name}.yaml": lock.dump(cut) for name, cut in slices.all_of(values).items()
    }
    differing, why = [], ""
    for path, text in wanted.items():
        found, problem = read(path, paths.root, str)
        if found != text:
            differing.append(str(path))
            why = why or problem or ("is missing" if found is None else "says something else")
    if differing:
        yield Finding(
            str(paths.config_lock) if len(differing) > 1 else differing[0],
            f"doesn't match {paths.conf} and {paths.params}: {differing[0]} {why}"
            + (f", and so do {len(differing) - 1} others" if differing[1:] else ""),
            "Commands go by other settings than those you read in conf/",
            "accord run, or dvc repro compose",
            partial(_composed, paths),
        )


def sources(paths: Paths) -> Iterator[Finding]:
    """Files that the selected data set is read from, and batches that it takes in."""
    from accord.config import lock

    data = lock.load(paths).data
    for name, source in data.sources.items():
        if "://" in source.path:
            continue
        files = sorted(paths.root.glob(source.path)) or [paths.root / source.path]
        for file in files:
            problem = trouble(file, paths.root)
            if problem is None and not (file.exists() and file.stat().st_size):
                problem = "is empty" if file.exists() else "is missing"
            if problem is not None:
                yield _of_git(file, problem, f"Stage ingest can't read the source '{name}'", paths)


def reports(paths: Paths) -> Iterator[Finding]:
    """Figures that commands read and write again, and the notes that accord keeps for itself."""
    for name in GENERATED:
        path = paths.root / f"reports/{name}.json"
        shape: Any = Scorecard if name == "scorecard" else dict[str, Any]
        yield from _made_again(path, shape, MAKERS.get(name, f"accord {_command(name)}"), paths)
    yield from _made_again(paths.training_cost, dict[str, float], "accord run", paths)


def _made_again(path: Path, shape: Any, command: str, paths: Paths) -> Iterator[Finding]:
    _, problem = read(path, paths.root, json_of(shape))
    if problem is not None:
        fix = partial(mending.set_aside, path, paths)
        yield Finding(str(path), problem, "Commands that read it end in an error", f"{command} (accord doctor --fix sets the damaged file aside)", fix)  # fmt: skip


def _command(name: str) -> str:
    return "simulate" if name == "simulation" else name


def folder_finding(folder: Path, problem: str, means: str, paths: Paths) -> Finding:
    """A folder that is something else, which commands make anew, or that its owner can't use."""
    if "has mode" in problem:
        return Finding(
            str(folder), problem, means, f"chmod u+rwx {folder}",
            partial(mending.opened_for_owner, folder, 0o700),
        )  # fmt: skip
    if "belongs to" in problem:
        return Finding(str(folder), problem, means, f"chown -R --reference={paths.root} {folder}")
    return Finding(
        str(folder), problem, means, f"accord doctor --fix, or move {folder} away",
        partial(mending.set_aside, folder, paths),
    )  # fmt: skip


def _needed(paths: Paths) -> dict[Path, Callable[[str], Any]]:
    mapping, text = yaml_of(dict[str, Any]), str
    files: dict[Path, Callable[[str], Any]] = {
        paths.pipeline: yaml_of(Stages),
        paths.params: mapping,
        paths.conf / "config.yaml": mapping,
        paths.conf / "_base.yaml": mapping,
        paths.root / "bentofile.yaml": mapping,
        paths.root / "requirements.lock": text,
        paths.root / "requirements/serving.lock": text,
        paths.dvc / "config": _dvc_config,
    }
    options: dict[Path, Callable[[str], Any]] = {
        path: mapping for path in sorted(paths.conf.glob("*/*.yaml")) if path.is_file() or path.is_symlink()
    }
    in_git: dict[Path, Callable[[str], Any]] = {
        path: parse
        for path, parse in _optional(paths).items()
        if os.path.lexists(path) or mending.is_in_git(path, paths)
    }
    return {**files, **options, **in_git}


def _optional(paths: Paths) -> dict[Path, Callable[[str], Any]]:
    ignored = (".gitignore", ".dvcignore", ".dvc/.gitignore", "data/.gitignore", "models/.gitignore", "reports/.gitignore")  # fmt: skip
    return {
        paths.batch_list: json_of(BatchList),
        **dict.fromkeys((paths.root / name for name in ignored), str),
    }


def _dvc_config(text: str) -> None:
    config = RawConfigParser(strict=False)
    config.read_string(text)
    if not config.has_section("'remote \"releases\"'"):
        raise ValueError("it has no remote 'releases', where released models are kept")


def _of_git(path: Path, problem: str, means: str, paths: Paths) -> Finding:
    """A file or folder that git gives back, unless its mode or owner alone is wrong."""
    if "has mode" in problem or "belongs to" in problem:
        return folder_finding(path, problem, means, paths)
    if problem == "holds a conflict that a merge left" or not mending.is_in_git(path, paths):
        return Finding(str(path), problem, means, f"put it back, or resolve it by hand: git status {path}")
    return Finding(
        str(path), problem, means, f"git checkout HEAD -- {path}", partial(mending.restored, path, paths)
    )


def _is_empty_in_git(path: Path, paths: Paths) -> bool:
    done = mending.git(paths, "cat-file", "-s", f"HEAD:./{paths.in_root(path)}")
    return done.returncode != 0 or done.stdout.strip() == "0"


def _composed(paths: Paths) -> str:
    for path in (paths.config_lock, paths.slices):
        if trouble(path, paths.root, is_folder=path == paths.slices):
            mending.set_aside(path, paths)
    dvc.reproduce(paths, quiet=True, stage="compose")
    return f"{paths.config_lock} and {paths.slices} are composed again by stage compose"


def _mended_by_dvc(paths: Paths, did: str) -> str:
    with dvc.alone(paths):
        return did
