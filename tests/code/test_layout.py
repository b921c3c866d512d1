"""The code is where docs/architecture.md says."""

import re
from collections import Counter
from pathlib import Path

from accord import command_line

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/accord"
TYPED = {"commands", "stages"}
"""A command or a stage may be called as the library module that does its work."""
CURRENT_FOLDER = re.compile(r"Path\.cwd\(|getcwd\(|chdir\(|\bPath\(\)|^\w+ = Path\(\"", re.MULTILINE)
PADDED = re.compile(r"\.[lr]just\(|\{[^{}\n]*:.?[<>^][\d{]")
"""A value padded to a width, which `terminal.columns` does for whole tables."""
WHICH_TASK = re.compile(
    r"""(?<!for )\b(task|loss)("\])? (==|!=|in|not in) (?!self)|(?<!"format": )"binary"|"regression\""""
)
"""A question that the object of the task answers instead: docs/add-a-task.md."""
SUGGESTING = {"suggested.py"}
"""The module that suggests a task for a target that has none yet, so that no object of a task can be asked."""
DOORS = {
    "cli.py": "finds the project from where the user is",
    "client.py": "runs in other people's programs",
    "stages/__init__.py": "DVC runs a stage in the project's root",
    "stages/compose.py": "DVC runs a stage in the project's root",
    "serving/server.py": "becomes the program that serves the Bento, which runs in its folder",
    "serving/service.py": "BentoML runs a service in its Bento's folder",
    "data/ingest/sources.py": "reads a file that the user names",
}
"""The modules that may depend on the current folder, and why; all others are passed a `Paths`."""


def test_no_file_name_stands_for_two_things():
    modules = [path for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")]
    names = Counter(path.name for path in modules if path.parent.name not in TYPED)
    assert [name for name, n in names.items() if n > 1] == []


def test_every_module_of_commands_is_a_command_in_under_eighty_lines():
    modules = {path.stem: path for path in (PACKAGE / "commands").glob("*.py")} | {"cli": PACKAGE / "cli.py"}
    assert modules.keys() - {"__init__", "cli"} == set(command_line.COMMANDS)
    assert [name for name, path in modules.items() if len(path.read_text("utf-8").splitlines()) >= 80] == []


def test_only_doors_depend_on_the_current_folder():
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    assert {name for name, text in texts.items() if CURRENT_FOLDER.search(text)} == DOORS.keys()


def test_no_import_is_renamed_to_avoid_a_collision():
    renamed = [
        f"{path.relative_to(PACKAGE)}: {line}"
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if line.lstrip().startswith("from accord") and " as " in line
    ]
    assert renamed == []


def test_only_the_terminal_aligns_columns():
    by_hand = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if PADDED.search(path.read_text("utf-8"))
    ]
    assert by_hand == []


def test_architecture_names_every_folder():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    folders = [f"`{path.name}/`" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    modules = [f"`{path.stem}`" for path in PACKAGE.glob("[!_]*.py")]
    assert [name for name in [*folders, *modules] if name not in page] == []


def test_nothing_outside_of_tasks_asks_which_task_or_loss_it_is():
    asked = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "tasks" and path.name not in SUGGESTING
        for line in path.read_text("utf-8").splitlines()
        if WHICH_TASK.search(line)
    ]
    assert asked == []
