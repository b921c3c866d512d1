"""A clone of the template becomes a project of its own, into which git merges a later version."""

import json
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from projects import ROOT, Project, program

from accord.adoption import project_name
from accord.errors import AccordError

NAME = "taxi_tips"
EXAMPLE = (
    "data/flights.yaml",
    "objective/balanced.yaml",
    "objective/sales.yaml",
    "objective/satisfaction.yaml",
)
THEIRS = ("README.md", "pyproject.toml", "params.yaml", "conf/config.yaml")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The template as git would have it, were all of it committed now."""
    root = tmp_path_factory.mktemp("template") / "accord"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    project = Project(root)
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.commit()
    return project


@pytest.fixture
def clone(template: Project, tmp_path: Path) -> Project:
    return cloned(template, tmp_path / "clone")


@pytest.fixture(scope="module")
def adopted(template: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone that has become a project, and committed it."""
    project = cloned(template, tmp_path_factory.mktemp("adopted") / "clone")
    project.run("accord", "init", NAME)
    project.commit()
    return project


def cloned(project: Project, to: Path) -> Project:
    subprocess.run(["git", "clone", "--quiet", str(project.root), str(to)], check=True)
    return Project(to)


def merged(project: Project, other: Project) -> str:
    """What git says of merging the other's main branch."""
    project.run("git", "fetch", "--quiet", str(other.root), "main")
    return project.run("git", "merge", "--no-edit", "FETCH_HEAD", ok=False).stdout


def files(project: Project) -> dict[str, bytes]:
    """What git would commit of the project."""
    listed = project.run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    there = {name: project.root / name for name in listed.split("\0") if name}
    return {name: path.read_bytes() for name, path in there.items() if path.is_file()}


def test_the_project_has_its_name_its_places_and_none_of_the_example(adopted: Project) -> None:
    assert adopted.read("README.md").startswith(f"# {NAME}\n")
    metadata = tomllib.loads(adopted.read("pyproject.toml"))["project"]
    assert (metadata["name"], metadata["version"]) == (NAME, "0.1.0")
    assert NAME in metadata["description"]
    assert "dynamic" not in metadata
    for name in EXAMPLE:
        assert not (adopted.root / "conf" / name).exists()
        assert (adopted.root / "docs/example/conf" / name).read_bytes() == (ROOT / "conf" / name).read_bytes()
    assert yaml.safe_load(adopted.read("conf.lock.yaml"))["data"]["name"] == "diabetes"
    assert set(yaml.safe_load(adopted.read("dvc.lock"))["stages"]) == {"compose"}
    assert f"- src/{NAME}" in adopted.read("dvc.yaml")
    assert adopted.run("git", "status", "--porcelain").stdout == ""
    for tool in (("ruff", "check"), ("ruff", "format", "--check")):
        adopted.run(*tool, f"src/{NAME}", f"tests/{NAME}")


def test_a_later_version_of_the_template_merges_without_a_conflict(
    template: Project, adopted: Project, tmp_path: Path
) -> None:
    later, project = cloned(template, tmp_path / "later"), cloned(adopted, tmp_path / "project")
    project.run(".ci/merge-driver", "install")
    project.write("README.md", f"# {NAME}\n\nTips of taxis.\n")
    project.write("data/raw/tips.csv", "x,tip\n1,2\n")
    project.write("conf/data/tips.yaml", "name: tips\n")
    project.replace("params.yaml", "data: diabetes", "data: breast_cancer")
    project.write("dvc.lock", "schema: '2.0'\nstages: {}\n")
    project.replace("pyproject.toml", "0.1.0", "0.3.0")
    project.commit()
    before = files(project)

    def edit(version: str) -> None:
        for name in ("README.md", "dvc.lock", "conf.lock.yaml", "conf.lock/train.yaml", "docs/data.md"):
            lines = later.read(name).splitlines()
            later.write(
                name, "\n".join([f"{lines[0]} {version}", *lines[1:-1], f"{lines[-1]} {version}"]) + "\n"
            )
        for name in (*(f"conf/{name}" for name in EXAMPLE), "src/accord/errors.py", "tests/conftest.py"):
            later.write(name, f"{later.read(name)}# {version}\n")
        text = later.read("pyproject.toml")
        text = text.replace("readme = ", f"keywords = ['{version}']\nreadme = ", 1)
        lines = [
            f'description = "Version {version}"' if line.startswith("description = ") else line
            for line in text.splitlines()
        ]
        later.write("pyproject.toml", "\n".join(lines) + "\n")
        later.write(
            "src/accord/__init__.py", f'{later.read("src/accord/__init__.py")}__later__ = "{version}"\n'
        )
        later.write(
            "dvc.yaml", later.read("dvc.yaml").replace("    deps:\n", f"    # {version}\n    deps:\n")
        )
        later.replace("params.yaml", "\noverrides", f"{version}: default\n\noverrides")
        later.commit()

    for version in ("second", "third"):
        edit(version)
        said = merged(project, later)
        assert project.run("git", "status", "--porcelain").stdout == "", said
        after = files(project)
        for name in ("README.md", "dvc.lock", "conf.lock.yaml", "conf.lock/train.yaml", "data/raw/tips.csv"):
            assert after[name] == before[name], name
        assert f"# {version}" in project.read("src/accord/errors.py")
        for name in EXAMPLE:
            assert project.read(f"docs/example/conf/{name}").endswith(f"# {version}\n")
            assert not (project.root / "conf" / name).exists()
        metadata = project.read("pyproject.toml")
        assert f'name = "{NAME}"\n' in metadata
        assert 'version = "0.3.0"\n' in metadata
        assert f"keywords = ['{version}']" in metadata
        assert "Version" not in metadata
        assert f"{version}: default" in project.read("params.yaml")
        assert "data: breast_cancer" in project.read("params.yaml")


def test_two_people_of_one_project_still_meet_each_others_changes(adopted: Project, tmp_path: Path) -> None:
    ada, ben = cloned(adopted, tmp_path / "ada"), cloned(adopted, tmp_path / "ben")
    for person, word in ((ada, "Adas"), (ben, "Bens")):
        person.run(".ci/merge-driver", "install")
        for name in THEIRS:
            person.write(name, f"# {word}\n{person.read(name)}")
        person.write("dvc.lock", f"{person.read('dvc.lock')}# {word}\n")
        person.commit()
    branch = ben.run("git", "branch", "--show-current").stdout.strip()
    ada.run("git", "fetch", "--quiet", str(ben.root), branch)
    ada.run("git", "merge", "--no-edit", "FETCH_HEAD", ok=False)
    unmerged = ada.run("git", "diff", "--name-only", "--diff-filter=U").stdout.splitlines()
    assert set(unmerged) == {*THEIRS, "dvc.lock"}
    assert ada.read("dvc.lock").endswith("# Adas\n"), "never merged line by line"
    assert {"# Adas", "# Bens"} <= set(ada.read("README.md").splitlines())


@pytest.mark.slow
def test_with_the_example_kept_it_stays_selected_and_a_later_version_merges(
    template: Project, clone: Project, tmp_path: Path
) -> None:
    clone.run("accord", "init", NAME, "--keep-example")
    clone.commit()
    for name in (*(f"conf/{name}" for name in EXAMPLE), "dvc.lock", "params.yaml"):
        assert clone.read(name) == template.read(name)
    later = cloned(template, tmp_path / "later")
    for name in ("README.md", "dvc.lock", "conf/data/flights.yaml"):
        later.write(name, f"# later\n{later.read(name)}")
    later.commit()
    merged(clone, later)
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert clone.read("conf/data/flights.yaml").startswith("# later")
    assert clone.read("README.md").startswith(f"# {NAME}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Taxi-Tips", "such as 'taxi_tips'"),
        ("class", "can't be the name of a Python package"),
        ("größe", "can't be the name"),
        ("accord", "take the place of .*src/accord"),
        ("polars", "shadow"),
        ("test", "shadow"),
        ("scikit_learn", "shadow"),
        ("data", "take the place of .*tests/data"),
        ("services", "take the place of .*tests/services.py"),
    ],
)
def test_a_name_that_is_none_or_is_taken_is_refused(template: Project, name: str, said: str) -> None:
    with pytest.raises(AccordError, match=said):
        project_name.check(name, template.paths)


def test_a_tree_with_changes_a_project_and_a_folder_without_git_are_refused(
    adopted: Project, clone: Project
) -> None:
    assert "shadow" in clone.refused("accord", "init", "polars")
    assert f"This is the project {NAME} already" in adopted.refused("accord", "init", "other")
    clone.write("notes.md", "mine\n")
    assert "Changes are not committed: notes.md" in clone.refused("accord", "init", NAME)
    (clone.root / "notes.md").unlink()
    shutil.rmtree(clone.root / ".git")
    assert "no git repository" in clone.refused("accord", "init", NAME)
    assert not (clone.root / "src" / NAME).exists()


def test_a_selection_that_needs_the_example_is_refused_with_nothing_changed(clone: Project) -> None:
    flights = clone.read("conf/data/flights.yaml").replace("name: flights", "name: mine")
    clone.write("conf/data/mine.yaml", flights)
    clone.write(
        "conf/objective/own.yaml",
        "defaults: [balanced, _self_]\nname: own\ndescription: rests on the example\n",
    )
    clone.replace("params.yaml", "data: flights", "data: mine")
    clone.replace("params.yaml", "objective: balanced", "objective: own")
    clone.commit()
    assert "--keep-example" in clone.refused("accord", "init", NAME)
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_what_was_made_of_a_data_set_of_ones_own_stays(clone: Project) -> None:
    clone.replace("params.yaml", "data: flights", "data: breast_cancer")
    clone.replace("params.yaml", "objective: balanced", "objective: quality")
    clone.write("models/champion.json", '{"model_id": "0123456789abcdef"}\n')
    clone.commit()
    clone.write("reports/index.html", "mine")
    clone.run("accord", "init", NAME)
    assert "0123456789abcdef" in clone.read("models/champion.json")
    assert clone.read("reports/index.html") == "mine"
    assert "data: breast_cancer" in clone.read("params.yaml")
    assert "- data: breast_cancer" in clone.read("conf/config.yaml")


AT_LAST = "what was made is gone"
KILLED_WHEN: dict[str, Callable[[Project], bool]] = {
    "the plan is written": lambda project: project.paths.adoption_plan.exists(),
    "README is the project's": lambda project: NAME in project.read("README.md"),
    "the example begins to move": lambda project: (project.root / "docs/example").exists(),
    AT_LAST: lambda project: not project.paths.pipeline_lock.exists(),
    "the lock is being written": lambda project: not project.paths.slices.exists(),
}


@pytest.mark.parametrize(
    "moment", [AT_LAST, *(pytest.param(one, marks=pytest.mark.slow) for one in KILLED_WHEN if one != AT_LAST)]
)
def test_killed_in_the_middle_and_called_again_it_ends_as_if_nothing_had_been(
    adopted: Project, clone: Project, moment: str
) -> None:
    process = subprocess.Popen(
        [program("accord"), "init", NAME],
        cwd=clone.root, env=clone.environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not KILLED_WHEN[moment](clone):
        time.sleep(0.0005)
    process.kill()
    process.wait()
    if clone.paths.adoption_plan.exists():
        assert f"accord init {NAME}" in clone.refused("accord", "init", "other")
        assert f"accord init {NAME}" in clone.run("accord", "doctor", ok=False).stdout
        clone.run("accord", "init", NAME)
    clone.commit()
    found, expected = files(clone), files(adopted)
    assert found.keys() == expected.keys()
    assert {name for name in found if found[name] != expected[name]} == set()
    assert not clone.paths.adoption_plan.exists()


@pytest.mark.slow
def test_the_project_is_linted_tested_and_runs_with_its_own_model(adopted: Project, tmp_path: Path) -> None:
    project = cloned(adopted, tmp_path / "project")
    project.write(
        f"src/{NAME}/models.py",
        '"""Models of this project."""\n\nfrom accord.models.linear import Linear\n\n\nclass Mine(Linear):\n    """As it is."""\n',
    )
    linear = project.read("conf/model/linear.yaml")
    project.write(
        "conf/model/mine.yaml", linear.replace("accord.models.linear.Linear", f"{NAME}.models.Mine")
    )
    for tool in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",), ("lint-imports", "--no-cache")):
        project.run(*tool)
    done = project.run("python", "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile")
    assert "mine" in project.run("python", "-m", "pytest", "-q", "--collect-only", "tests/model").stdout
    assert " passed" in done.stdout
    project.run("accord", "run", "model=mine")
    assert (
        json.loads(project.read("models/bundle/manifest.json"))["model"]["_target_"] == f"{NAME}.models.Mine"
    )
    project.write(
        f"src/{NAME}/models.py", project.read(f"src/{NAME}/models.py").replace("As it is", "As it was")
    )
    stale = json.loads(project.run("dvc", "status", "--json").stdout)
    assert {"compose", "train", "evaluate", "bundle"} <= set(stale)
