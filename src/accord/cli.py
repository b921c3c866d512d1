"""The `accord` command. Each of its commands is a module of accord.commands."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from accord import __version__, conflicts
from accord.paths import Paths, project_root
from accord.program import exit_with_message
from accord.terminal import foreign, say

DESCRIPTION = "Machine learning on tabular data where every team has a seat."
COMMANDS = (
    "init", "onboard", "run", "report", "measure", "judge", "promote", "rollback", "history", "tradeoff", "package", "serve", "predict", "traffic",
    "outcomes", "replay", "collect", "forget", "load", "monitor", "explain", "retrain", "simulate", "doctor",
)  # fmt: skip
"""In the order of `accord --help`."""


def main(arguments: Sequence[str] | None = None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    parsed = parser([name for name in COMMANDS if name in words[:1]] or COMMANDS).parse_args(words)

    def work() -> None:
        root = project_root(Path.cwd(), parsed.on_damage)
        paths = Paths(Path(os.path.relpath(root)))  # as the user would type them
        if not parsed.on_damage:
            conflicts.refuse(paths, parsed.resolves(paths))
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


def parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """One for these commands: code of another command may be damaged."""
    top = Parser(prog="accord", description=DESCRIPTION)
    top.add_argument("--version", action="version", version=f"accord {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in names:
        command = import_module(f"accord.commands.{name}")
        does = command.HELP
        added = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        if hasattr(command, "add_arguments"):
            command.add_arguments(added)
        added.set_defaults(run=command.run, is_alone=getattr(command, "ALONE", False))
        added.set_defaults(
            on_damage=getattr(command, "ON_DAMAGE", False),
            resolves=getattr(command, "resolves", lambda _: ()),
        )
    return top
