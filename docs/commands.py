"""Writes docs/commands.md, the reference of the commands, from what they say of themselves: `make docs`."""

import argparse
from functools import partial
from pathlib import Path

from accord import cli

PAGE = Path(__file__).with_suffix(".md")
WIDTH = 110
INTRODUCTION = """# Commands

What each command says of itself with `--help`; `make docs` writes this page. Every command exits with 0 if it did what it was asked,
and with 2 if something that it was given is wrong, with one line that says what. `accord monitor` exits with 3 on alarms,
`accord doctor` with 1 if something is damaged. `make`
alone lists the targets; those that are named as a command pass `ARGS` on to it, as in `make run ARGS="model=linear"`.
"""


def page() -> str:
    return "\n".join([INTRODUCTION, *(_section(name, command) for name, command in _commands().items())])


def _commands() -> dict[str, argparse.ArgumentParser]:
    [commands] = (
        action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return dict(commands.choices)


def _section(name: str, command: argparse.ArgumentParser) -> str:
    command.formatter_class = partial(argparse.HelpFormatter, width=WIDTH)  # not the terminal's
    return f"## accord {name}\n\n```\n{command.format_help()}```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
