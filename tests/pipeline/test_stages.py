"""dvc.yaml says the truth: what a stage reads and imports stands there, and nothing else is needed."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from projects import ROOT, Project

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]
READING = [name for name in STAGES if name != "compose"]


def sections(stage: str) -> list[str]:
    return [key for entry in STAGES[stage]["params"] for key in entry["conf.lock.yaml"]]


def masked(lock: dict, keys: list[str]) -> dict:
    """The lock cut down to these keys, dotted ones included."""
    kept = OmegaConf.create({})
    for key in keys:
        OmegaConf.update(kept, key, OmegaConf.select(OmegaConf.create(lock), key), force_add=True)
    return OmegaConf.to_container(kept)


def test_each_stage_is_a_module_of_its_name_and_the_other_way_round() -> None:
    modules = {path.stem for path in (ROOT / "src/accord/stages").glob("*.py")} - {"__init__"}
    assert modules == set(STAGES)
    for name, stage in STAGES.items():
        assert stage["cmd"] == f"PYTHONPATH=src python -m accord.stages.{name}"
        assert list(stage) == ["desc", "cmd", "deps", "params", "outs"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_modules_that_a_stage_imports_are_among_its_deps(stage: str) -> None:
    listing = "import sys, accord.stages.{0}; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('accord') and getattr(m, '__file__', None)))"
    done = subprocess.run(
        [sys.executable, "-c", listing.format(stage)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT / "src",
    )
    imported = {Path(path).relative_to(ROOT).as_posix() for path in done.stdout.split()}
    deps = STAGES[stage]["deps"]
    packages = {path for path in imported if path.endswith("__init__.py") and path.count("/") == 2}
    missing = {
        path
        for path in imported - packages
        if not any(path == dep or path.startswith(f"{dep}/") for dep in deps)
    }
    assert not missing


@pytest.mark.parametrize("stage", READING)
def test_a_stage_reads_only_the_sections_that_it_declares(project: Project, stage: str) -> None:
    copy = project.root.with_name(f"{project.root.name}-{stage}")
    shutil.copytree(
        project.root, copy, ignore=shutil.ignore_patterns(".dvc", ".git", ".bentoml"), dirs_exist_ok=True
    )
    cut = masked(yaml.safe_load(project.read("conf.lock.yaml")), sections(stage))
    (copy / "conf.lock.yaml").write_text(yaml.safe_dump(cut), encoding="utf-8")
    Project(copy).run("python", "-m", f"accord.stages.{stage}")


def test_every_key_of_the_config_is_read_somewhere() -> None:
    """A key that nothing reads is deleted: its name stands as an attribute somewhere outside the schema."""
    schema = ast.parse((ROOT / "src/accord/config/schema.py").read_text(encoding="utf-8"))
    classes = [node for node in schema.body if isinstance(node, ast.ClassDef)]
    keys = {item.target.id for node in classes for item in node.body if isinstance(item, ast.AnnAssign)}
    code = "\n".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "src/accord").rglob("*.py") if p.name != "schema.py"
    )
    templates = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src/accord").rglob("*.j2"))
    unread = {key for key in keys if not re.search(rf"\b{key}\b", code + templates)}
    assert not unread - {"description"}


def test_the_committed_lock_is_what_the_committed_selection_composes(tmp_path: Path) -> None:
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    Project(tmp_path).run("python", "-m", "accord.stages.compose")
    assert (tmp_path / "conf.lock.yaml").read_text(encoding="utf-8") == (ROOT / "conf.lock.yaml").read_text(
        encoding="utf-8"
    )
