"""What commands tell programs: with --json one object on standard output, of the type that docs/commands.schema.json has; with --quiet
nothing. All that is for people, DVC's words too, is elsewhere."""

from importlib import import_module
from pathlib import Path

import pytest
from projects import Project

from accord.files import read_as, read_json

WORDS = {
    "run": ("run",),
    "judge": ("judge",),
    "history": ("history",),
    "doctor": ("doctor", "--seconds", "1"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_command_tells_programs_what_it_told_people(name: str, project: Project, tmp_path: Path):
    done = project.run("accord", *WORDS[name], "--json", ok=name != "doctor")
    told = tmp_path / "told.json"
    told.write_text(done.stdout)
    module, _, kind = import_module(f"accord.commands.{name}").TELLS.partition(":")
    found = read_as(told, getattr(import_module(module), kind))
    assert read_json(told)
    if name in ("run", "judge"):
        assert found == read_as(project.paths.scorecard, type(found))
    assert done.stderr.strip(), "people are told too"


def test_quiet_commands_print_nothing(project: Project):
    done = project.run("accord", "judge", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")


def test_a_quiet_command_still_says_what_is_wrong(project: Project):
    assert "did you mean 'linear'" in project.refused("accord", "run", "model=linaer", "--quiet")
    assert "did you mean 'linear'" in project.refused("accord", "run", "model=linaer", "--json")
