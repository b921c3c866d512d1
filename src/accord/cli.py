"""The `accord` command. Each of its commands is a module of accord.commands."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from accord import __version__
from accord.errors import AccordError
from accord.paths import Paths
from accord.program import exit_with_message
from accord.terminal import foreign, say

DESCRIPTION = "Machine learning on tabular data where every team has a seat."
COMMANDS = (
    "run", "report", "measure", "judge", "promote", "rollback", "history", "tradeoff", "package", "serve", "predict", "traffic",
    "outcomes", "replay", "collect", "forget", "load", "monitor", "explain", "retrain", "simulate",
)  # fmt: skip
"""In the order of `accord --help`."""


def main(arguments: Sequence[str] | None = None) -> None:
    parsed = parser().parse_args(arguments)

    def work() -> None:
        paths = Paths(Path(os.path.relpath(project_root(Path.cwd()))))  # as the user would type them
        with alone(paths) if parsed.is_alone else nullcontext():
            parsed.run(parsed, paths)

    exit_with_message(work)


@contextmanager
def alone(paths: Paths) -> Iterator[None]:
    from accord import dvc

    with dvc.alone(paths):
        yield


class Parser(argparse.ArgumentParser):
    """One that quotes what was typed without obeying it."""

    def _print_message(self, message: str, file: Any = None) -> None:
        say(foreign(message), file=file or sys.stderr, end="")


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="accord", description=DESCRIPTION)
    top.add_argument("--version", action="version", version=f"accord {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        command = import_module(f"accord.commands.{name}")
        does = command.HELP
        added = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        if hasattr(command, "add_arguments"):
            command.add_arguments(added)
        added.set_defaults(run=command.run, is_alone=getattr(command, "ALONE", False))
    return top


def project_root(here: Path) -> Path:
    """The folder, `here` or one above it, that holds dvc.yaml and params.yaml."""
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise AccordError(
        f"No project here: {here} and the folders above hold no dvc.yaml with a params.yaml; change into one"
    )
