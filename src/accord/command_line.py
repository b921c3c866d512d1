"""The command line: which commands there are, by what they are for, and how what was typed is understood, or refused in one line."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

from accord import __version__
from accord.errors import nearest
from accord.terminal import columns, complain, foreign, say

DESCRIPTION = "Machine learning on tabular data where every team has a seat."
GROUPS: Mapping[str, Sequence[str]] = {
    "build": ("init", "onboard", "run", "report", "doctor"),
    "decide": ("judge", "measure", "tradeoff", "promote", "rollback", "history"),
    "serve": ("package", "serve", "predict", "load", "explain"),
    "loop": ("replay", "outcomes", "traffic", "forget", "monitor", "collect", "retrain", "simulate"),
}
"""The commands by what they are for, in the order of `accord --help`."""
MORE = "Each command says more, with an example: accord COMMAND --help"
COMMANDS = tuple(name for names in GROUPS.values() for name in names)


class Parser(argparse.ArgumentParser):
    """One that quotes what was typed without obeying it, in one line."""

    def _print_message(self, message: str, file: Any = None) -> None:
        say(foreign(message), file=file or sys.stderr, end="")

    def error(self, message: str) -> NoReturn:
        complain(f"{self.prog}: {message}; see {self.prog} --help")
        sys.exit(2)


class TopParser(Parser):
    """The one that knows the commands."""

    commands: Mapping[str, str]
    """What each is for."""

    def format_help(self) -> str:
        """The commands in their groups."""
        parts = [f"usage: accord COMMAND ...\n\n{self.description}\n"]
        listed = columns([(f"  {name}", does) for name, does in self.commands.items()])
        lines = dict(zip(self.commands, listed, strict=True))
        for title, names in GROUPS.items():
            parts.append("\n".join([f"{title}:", *(lines[name] for name in names if name in lines), ""]))
        return "\n".join([*parts, f"{MORE}\n"])

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuses a word that is no command."""
        if isinstance(action.choices, dict) and value not in action.choices:
            self.error(f"there is no command '{value}'; {nearest(value, action.choices)}")


def parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """One for these commands: code of another command may be damaged."""
    modules = {name: import_module(f"accord.commands.{name}") for name in names}
    top = TopParser(prog="accord", description=DESCRIPTION)
    top.commands = {name: module.HELP for name, module in modules.items()}
    top.add_argument("--version", action="version", version=f"accord {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name, module in modules.items():
        does = module.HELP
        example = f"example: {module.EXAMPLE}"
        added = commands.add_parser(name, description=f"{does[0].upper()}{does[1:]}.", epilog=example)
        if hasattr(module, "add_arguments"):
            module.add_arguments(added)
        form = added.add_mutually_exclusive_group()
        if hasattr(module, "TELLS"):
            words = "print what it found as JSON, and all else to standard error"
            form.add_argument("--json", action="store_const", dest="aside", const="stderr", help=words)
        form.add_argument(
            "--quiet", action="store_const", dest="aside", const="nowhere", help="print errors alone"
        )
        added.set_defaults(
            run=module.run,
            is_alone=getattr(module, "ALONE", False),
            on_damage=getattr(module, "ON_DAMAGE", False),
            resolves=getattr(module, "resolves", lambda _: ()),
        )
    return top
