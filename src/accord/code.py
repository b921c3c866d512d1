"""Which files of this package decide what a module does: its own, those that it imports, and those that they import.

DVC runs a stage again when one of its files changes, and a bundle names the hash of the files that decide its answers.
`make deps` puts each stage's files among its deps in dvc.yaml, and the project's own modules beside this package; a test
fails while that is due.
"""

import ast
import importlib.util
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from accord.files import sha256, write_text

PACKAGE = Path(__file__).parent
PIPELINE = PACKAGE.parents[1] / "dvc.yaml"
ANSWERING = (
    "accord.features.transform",
    "accord.training.jobs",
    "accord.bundle.proofs",
    "accord.bundle.build",
    "accord.bundle.bundle",
)
"""What makes the files that decide an answer, from the splits on, and what answers from them."""
LEFT_OUT = {
    ("accord.stages", "accord.config.slices"): "composes a config afresh, for a stage that is run with words",
    ("*", "accord.engines.bound"): "ends what takes too much memory",
    ("*", "accord.engines.memory"): "says how many rows are in memory at once, which no output depends on",
    ("*", "accord.engines.room"): "says what training may take of the machine",
    ("*", "accord.engines.scratch"): "says where files are that no output depends on",
    ("*", "accord.errors"): "says what was wrong with an input that no output came of",
    ("*", "accord.data.advice"): "says how to mend an input that no output came of",
    ("*", "accord.data.forms"): "is what advice and guesses try",
    ("*", "accord.paths"): "says where outputs are; dvc.yaml does too, and DVC misses one that is elsewhere",
    ("*", "accord.program"): "says how a program ends",
    ("*", "accord.terminal"): "shows what was done",
    ("*", "accord.training.cost"): "notes what training cost, beside the pipeline",
}
"""Imports, of a module or of all, that decide no output of a stage, and why."""
SHOWN = ("accord.measures.curves", "accord.measures.estimates")
COMPUTING = ("accord.measures.multinomial", "accord.bootstrap", "accord.intervals")
MEASURED = ("accord.measures.metrics", *COMPUTING)
UNASKED = {
    "compose": (*SHOWN, *COMPUTING, "accord.objective.limits", "accord.objective.policy"),
    "validate": (*SHOWN, *MEASURED),
    "train": (*SHOWN, *MEASURED),
    "evaluate": ("accord.measures.estimates",),
    "decide": SHOWN,
    "bundle": (*SHOWN, *MEASURED),
}
"""What a stage imports on the way and asks nothing of: parts of a task, which is one object for all; for stage compose, which
checks names and SQL, what computes with them."""
ADDED: dict[str, tuple[str, ...]] = {
    "accord.models.loading": ("accord.models.*",),  # imports the class that conf/model names
    "accord.bundle.build": ANSWERING,  # hashes their files
}
"""What a module depends on without an import that can be seen."""
IMPORT_OWN = ("accord.tasks.registry", "accord.models.loading")
"""What imports the tasks and models that conf/ names, which may be the project's own, beside this package."""


def files(modules: Iterable[str], unasked: Collection[str] = ()) -> set[Path]:
    """The files that decide what these modules do, but for `unasked` ones. A package's own file counts where something is
    imported from it, not where it only leads to a module."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in unasked:
            found[name] = _file(name)
            waiting += [
                other for other in _imported(name) if not LEFT_OUT.keys() & {(name, other), ("*", other)}
            ]
    return set(found.values())


def libraries(modules: Iterable[str], unasked: Collection[str] = ()) -> set[str]:
    """The packages besides this one that these modules, and what they import, import."""
    names = {name for file in files(modules, unasked) for name, _ in _imports(file)}
    return {name.partition(".")[0] for name in names} - {PACKAGE.name}


def hash_of_answering() -> str:
    """One hex digest over the files that decide an answer, the project's own modules beside accord among them."""
    return sha256(*sorted(files(ANSWERING, UNASKED["bundle"])), *_beside())


def hash_of_all() -> str:
    """One hex digest over all of the package's code, wherever the package is, and of the project's own modules beside it:
    it tells what answered a request."""
    return sha256(*sorted(PACKAGE.rglob("*.py")), *_beside())


def deps(stage: str) -> list[str]:
    """What stage depends on of this package, as paths in the project: a folder where all of it decides, else files."""
    return _in_project(_whole(PACKAGE, files([f"accord.stages.{stage}"], UNASKED.get(stage, ()))))


def own_deps(stage: str) -> list[str]:
    """The project's own modules and packages beside this one, if the stage may import a task or a model of theirs. All of
    them, whatever conf/ names now: an option that is chosen later finds them here."""
    decisive = files([f"accord.stages.{stage}"], UNASKED.get(stage, ()))
    if decisive.isdisjoint(_file(module) for module in IMPORT_OWN):
        return []
    return _in_project({PACKAGE.parent / path.relative_to(PACKAGE.parent).parts[0] for path in _beside()})


def with_deps(pipeline: str) -> str:
    """The text of dvc.yaml with the project's own modules first among each stage's deps, and files of this package last.

    In that order a project's line has neighbours that no later version of the template changes, and git can merge it.
    """
    lines, stage, in_deps = [], "", False
    for line in pipeline.splitlines():
        if line.startswith("  ") and line[2] not in " #-" and line.endswith(":"):
            stage = line.strip(" :")
        if in_deps and line.startswith("      - src/"):
            continue
        if in_deps and not line.startswith("      "):
            lines += [f"      - {dep}" for dep in deps(stage)]
        in_deps = line == "    deps:" or (in_deps and line.startswith("      "))
        lines.append(line)
        if line == "    deps:":
            lines += [f"      - {dep}" for dep in own_deps(stage)]
    return "\n".join(lines) + "\n"


def _in_project(paths: Iterable[Path]) -> list[str]:
    return sorted(f"src/{path.relative_to(PACKAGE.parent)}" for path in paths)


def _whole(folder: Path, wanted: set[Path]) -> Iterator[Path]:
    """The wanted files below the folder, or the folder in their place where they are all there is to it."""
    inside = [
        path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc" and not _is_bare(path)
    ]
    if len(inside) > 1 and set(inside) <= wanted:
        yield folder
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _whole(path, wanted)
        elif path in wanted:
            yield path


def _beside() -> list[Path]:
    """The modules of a project's own, which its tasks and models may be in."""
    if "site-packages" in PACKAGE.parts:
        return []
    return sorted(path for path in PACKAGE.parent.rglob("*.py") if PACKAGE not in path.parents)


def _is_bare(file: Path) -> bool:
    """Whether a package's own file holds no more than its docstring."""
    return file.name == "__init__.py" and len(ast.parse(file.read_text(encoding="utf-8")).body) <= 1


def _file(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imported(module: str) -> Iterator[str]:
    """The modules of this package that a module imports, or depends on otherwise."""
    for name, attribute in _imports(_file(module)):
        if name.partition(".")[0] == PACKAGE.name:
            yield f"{name}.{attribute}" if attribute and _file(f"{name}.{attribute}").exists() else name
    for name in ADDED.get(module, ()):
        if name.endswith(".*"):
            package = name.removesuffix(".*")
            yield from (
                f"{package}.{path.stem}"
                for path in _file(package).parent.glob("*.py")
                if path.stem != "__init__"
            )
        else:
            yield name


def _imports(file: Path) -> Iterator[tuple[str, str | None]]:
    """What a file imports anywhere, functions included: modules, with the name that is taken from each."""
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    package = ".".join(file.relative_to(PACKAGE.parent).parent.parts)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            absolute = importlib.util.resolve_name(name, package) if node.level else name
            yield from ((absolute, alias.name) for alias in node.names)
        waiting += ast.iter_child_nodes(node)


if __name__ == "__main__":
    write_text(PIPELINE, with_deps(PIPELINE.read_text(encoding="utf-8")))
