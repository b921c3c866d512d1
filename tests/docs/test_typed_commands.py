"""Whatever README and docs/ have their reader type is understood by the program that it is typed for.

Commands are parsed by the parser of accord or DVC, targets are those of the Makefile, and words such as `model=linear` are
composed. The pages "add a ..." are left to test_extending, which types their commands.
"""

import io
import re
import shlex
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from dvc.cli import DvcParserError, parse_args
from projects import ROOT
from reader import FENCES, commands

from accord import command_line
from accord.config import compose, selection
from accord.errors import AccordError
from accord.paths import Paths

PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if not p.match("add-a-*"))]
SPAN = re.compile(r"`((?:accord|dvc|make|python)(?:\s[^`]*)?)`")
SHELL = re.compile(r"\s(?:&&|\||>)\s.*")


def mentioned(text: str) -> Iterator[str]:
    """Commands within sentences. One that is only named, such as `accord replay`, need not have what it takes."""
    for span in SPAN.findall(FENCES.sub("", text)):
        program, *words = span.split()
        named_only = len(words) < 2 and (
            program in ("dvc", "python") or {*words} <= {*command_line.COMMANDS, "--help"}
        )
        if not named_only or program == "make":
            yield " ".join([program, *words])


def check(command: str, conf: Path) -> None:
    """Raises AssertionError, which says why, for a command that its program would refuse."""
    program, _, rest = SHELL.sub("", command).partition(" ")
    if program == "accord":
        parsed = understood(command_line.parser().parse_args, shlex.split(rest), command)
        check_words(getattr(parsed, "words", []), conf)
    elif program == "dvc":
        parsed = understood(parse_args, shlex.split(rest), command)
        check_words_of_dvc(getattr(parsed, "set_param", None) or [], conf)
    elif program == "make":
        check_make(shlex.split(rest), conf)
    elif program == "python":
        check_python(shlex.split(rest), conf)


def understood(parse: Callable[[list[str]], Namespace], words: list[str], command: str) -> Namespace:
    said, refused = io.StringIO(), False
    parsed = Namespace()
    with redirect_stderr(said), redirect_stdout(said):
        try:
            parsed = parse(words)
        except SystemExit as error:
            refused = error.code != 0  # 0 after --help
        except DvcParserError:
            refused = True
    assert not refused, f"{command}: {said.getvalue()}"
    return parsed


def check_words_of_dvc(words: Sequence[str], conf: Path) -> None:
    """`-S +overrides.seed=1,2` and the like; values with commas are a grid, of which each is composed."""
    for word in words:
        name, _, values = word.partition("=")
        for value in values.split(","):
            check_words([f"{name.removeprefix('+').removeprefix('overrides.')}={value}"], conf)


def check_make(words: Sequence[str], conf: Path) -> None:
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"make {' '.join(words)}: {done.stderr}"
    for line in done.stdout.splitlines():
        if line.startswith("accord "):
            check(line, conf)


def check_python(words: Sequence[str], conf: Path) -> None:
    """A stage with words, or a script, whose options must stand in it."""
    if words[0] == "-m":
        folder, _, stage = words[1].rpartition(".")
        assert folder == "accord.stages", words
        assert (ROOT / f"src/accord/stages/{stage}.py").is_file(), words
        check_words(words[2:], conf)
    else:
        script = (ROOT / words[0]).read_text(encoding="utf-8")
        assert [word for word in words[1:] if word.startswith("--") and f'"{word}"' not in script] == [], (
            words
        )


def check_words(words: Sequence[str], conf: Path) -> None:
    if not words:
        return
    try:
        compose.composed(selection.with_words(selection.read(Paths(ROOT)), words, conf), conf)
    except AccordError as error:
        raise AssertionError(f"{' '.join(words)}: {error}") from None


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder conf/ with the data set that README has its reader make."""
    conf = tmp_path_factory.mktemp("project") / "conf"
    shutil.copytree(ROOT / "conf", conf)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [config] = (block for kind, block in FENCES.findall(readme) if kind == "yaml")
    (conf / "data/rides.yaml").write_text(config, encoding="utf-8")
    return conf


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_whatever_a_page_has_its_reader_type_is_understood(page: Path, conf: Path):
    text = page.read_text(encoding="utf-8")
    for command in dict.fromkeys([*commands(text), *mentioned(text)]):
        check(command, conf)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("    accord replay --form 2013-07-01 --to 2013-08-01", "--from"),
        ("```\n$ accord tradeof\n```", "no command 'tradeof'"),
        ("by `accord load --rate fast`", "not a number above 0"),
        ("see `accord tradeof`", "no command 'tradeof'"),
        ("    accord run model=linaer", "did you mean 'linear'"),
        ("| you type | it does |\n|---|---|\n| `accord run model.C=0` | |", "model.C"),
        ("    make serv", "No rule to make target 'serv'"),
        ('    make run ARGS="modle=linear"', "did you mean 'model'"),
        ("    dvc exp run -S model=lightgbm,linaer", "did you mean 'linear'"),
        ("    dvc metrics diff --jsn", "--jsn"),
        ("    python -m accord.stages.trian model=linear", "trian"),
        ("    python benchmarks/drift.py --window 25", "--window"),
    ],
)
def test_a_command_that_its_program_refuses_is_found(page: str, why: str, conf: Path):
    [command] = {*commands(page), *mentioned(page)}
    with pytest.raises(AssertionError, match=re.escape(why)):
        check(command, conf)
