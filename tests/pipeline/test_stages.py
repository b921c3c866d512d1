"""dvc.yaml says the truth: what decides a stage's output stands among its deps, and nothing else."""

import ast
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from projects import ROOT, Project

from accord import code
from accord.bundle import build
from accord.config import slices
from accord.models.catboost import CatBoost

TEXT = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
PIPELINE = yaml.safe_load(TEXT)
STAGES = PIPELINE["stages"]
SLICED = [name for name in STAGES if name != "compose"]
UNDECIDING = {"msgspec", "omegaconf", "pydantic", "PyYAML"}
"""Libraries that read what a stage is given, or give what it writes its form, but compute nothing of that."""


def test_each_stage_is_a_module_of_its_name_and_the_other_way_round() -> None:
    modules = {path.stem for path in (ROOT / "src/accord/stages").glob("*.py")} - {"__init__"}
    assert modules == set(STAGES)
    assert len(STAGES) < 10
    for name, stage in STAGES.items():
        assert stage["cmd"] == f"PYTHONPATH=src python -m accord.stages.{name}"
        assert list(stage) == ["desc", "cmd", "deps", *(["params"] if name == "compose" else []), "outs"]


def test_a_stage_module_reads_calls_and_writes_in_at_most_thirty_lines() -> None:
    for name in STAGES:
        assert len((ROOT / f"src/accord/stages/{name}.py").read_text(encoding="utf-8").splitlines()) <= 30, (
            name
        )


def test_modules_beside_accord_are_the_first_deps_of_the_stages_that_ask_tasks_and_models(
    tmp_path: Path,
) -> None:
    shutil.copytree(ROOT / "src/accord", tmp_path / "src/accord")
    shutil.copyfile(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    project = Project(tmp_path)
    project.write("src/mine/tasks/levels.py", "LEVELS = 1\n")
    project.write("src/mymodel.py", "")
    project.write("src/other.egg-info/PKG-INFO", "")
    project.run("python", "-m", "accord.code")
    stages = yaml.safe_load(project.read("dvc.yaml"))["stages"]
    own = ["src/mine", "src/mymodel.py"]
    asking = {name for name, stage in stages.items() if stage["deps"][:2] == own}
    assert asking == {"compose", "validate", "train", "evaluate", "decide", "bundle"}
    for name, stage in stages.items():
        assert [dep for dep in stage["deps"] if dep not in own] == STAGES[name]["deps"]
    again = project.read("dvc.yaml")
    project.run("python", "-m", "accord.code")
    assert project.read("dvc.yaml") == again
    shutil.rmtree(tmp_path / "src/mine")
    (tmp_path / "src/mymodel.py").unlink()
    project.run("python", "-m", "accord.code")
    assert project.read("dvc.yaml") == TEXT


@pytest.mark.parametrize("stage", STAGES)
def test_what_importing_a_stage_loads_is_among_what_decides_it(stage: str) -> None:
    """Python's own account of a stage's imports against the one that was read from the code."""
    listing = "import sys, accord.stages.{0}; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('accord') and getattr(m, '__file__', None)))"
    done = subprocess.run(
        [sys.executable, "-c", listing.format(stage)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT / "src",
    )
    loaded = {Path(path) for path in done.stdout.split()}
    packages = {path for path in loaded if path.name == "__init__.py"}
    left_out = {code._file(module) for _, module in code.LEFT_OUT}
    assert loaded - packages - left_out <= code.files([f"accord.stages.{stage}"])


def test_an_import_that_is_left_out_is_there_and_would_be_followed_otherwise() -> None:
    modules = {
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in code.PACKAGE.rglob("*.py")
    }
    modules = {module.removesuffix(".__init__") for module in modules}
    imported = {(module, other) for module in modules for other in code._imported(module)}
    imported |= {("*", other) for _, other in imported}
    assert code.LEFT_OUT.keys() <= imported


def test_imports_are_found_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "accord"
    (package / "parts").mkdir(parents=True)
    for name, text in {
        "__init__.py": '"""No more than this."""',
        "parts/__init__.py": "",
        "top.py": "import typing\nfrom accord import parts\nif typing.TYPE_CHECKING:\n    from accord import types_only\n"
        "def later():\n    from accord.parts.one import x\n    return x\n",
        "parts/one.py": "try:\n    from . import two\nexcept ImportError:\n    import accord.spare\n",
        "parts/two.py": "import numpy.linalg\n",
        "spare.py": "",
        "types_only.py": "",
        "other.py": "",
    }.items():
        (package / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(code, "PACKAGE", package)
    found = {path.relative_to(package).as_posix() for path in code.files(["accord.top"])}
    assert found == {"top.py", "parts/__init__.py", "parts/one.py", "parts/two.py", "spare.py"}
    assert code.libraries(["accord.top"]) == {"numpy", "typing"}
    assert set(code._whole(package, code.files(["accord.top"]))) == {
        package / "top.py", package / "spare.py", package / "parts"
    }  # fmt: skip


def test_a_module_decides_its_hash_and_another_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(code.PACKAGE, tmp_path / "accord", ignore=shutil.ignore_patterns("__pycache__"))
    here = code.hash_of_answering(), code.hash_of_all()
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "accord")
    assert (code.hash_of_answering(), code.hash_of_all()) == here
    for file, decides in {
        "report/index.html.j2": False,
        "cli.py": False,
        "data/leaks/copies.py": False,
        "features/transform.py": True,
    }.items():
        path, before = tmp_path / "accord" / file, code.hash_of_answering()
        path.write_text(f"{path.read_text(encoding='utf-8')}\n# a comment\n", encoding="utf-8")
        assert (code.hash_of_answering() != before) == decides, file
    assert code.hash_of_all() != here[1]


def test_each_stage_depends_on_its_slice_and_on_no_other() -> None:
    assert list(slices.SECTIONS) == list(slices.LIBRARIES) == SLICED
    for name in SLICED:
        assert [dep for dep in STAGES[name]["deps"] if dep.startswith("conf")] == [f"conf.lock/{name}.yaml"]


@pytest.mark.parametrize("stage", SLICED)
def test_a_slice_holds_the_versions_of_the_libraries_that_the_stage_uses(stage: str) -> None:
    known = packages_distributions()
    used = {known[name][0] for name in code.libraries([f"accord.stages.{stage}"]) if name in known}
    of_sources = (
        {"scikit-learn"} if stage == "ingest" else set()
    )  # there where the data set is one of its own
    of_models = set(CatBoost.libraries)  # which a slice names where the model is chosen
    expected = set(slices.LIBRARIES[stage]) - {"python"}
    assert set(build.LIBRARIES) == set(slices.LIBRARIES["bundle"])
    assert used - of_sources - of_models - UNDECIDING - {"accord"} == expected


def test_architecture_shows_what_each_stage_reads() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = [
        f"| {stage} | {' '.join(f'`{section}`' for section in sections.split())} | {', '.join(slices.LIBRARIES[stage])} |"
        for stage, sections in slices.SECTIONS.items()
    ]
    assert "\n".join(rows) in page


def test_every_key_of_the_config_is_read_somewhere() -> None:
    """A key that nothing reads is deleted: its name stands as an attribute somewhere outside the schema."""
    schema = ROOT / "src/accord/schema"
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in schema.glob("*.py")]
    classes = [node for module in modules for node in module.body if isinstance(node, ast.ClassDef)]
    keys = {item.target.id for node in classes for item in node.body if isinstance(item, ast.AnnAssign)}
    code = "\n".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "src/accord").rglob("*.py") if schema not in p.parents
    )
    templates = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src/accord").rglob("*.j2"))
    unread = {key for key in keys if not re.search(rf"\b{key}\b", code + templates)}
    assert not unread - {"description"}


def test_the_committed_lock_is_what_the_committed_selection_composes(tmp_path: Path) -> None:
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    Project(tmp_path).run("python", "-m", "accord.stages.compose")
    for path in ("conf.lock.yaml", *(f"conf.lock/{name}.yaml" for name in SLICED)):
        assert (tmp_path / path).read_text(encoding="utf-8") == (ROOT / path).read_text(encoding="utf-8"), (
            path
        )
