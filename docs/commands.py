"""Writes docs/commands.md, the reference of the commands, from what they say of themselves, and docs/commands.schema.json, the JSON
Schema of what they tell programs: `make docs`."""

import argparse
from collections import Counter
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from accord import command_line
from accord.files import as_json

PAGE = Path(__file__).with_suffix(".md")
SCHEMAS = Path(__file__).with_suffix(".schema.json")
WIDTH = 110
SCHEMA = "https://json-schema.org/draft/2020-12/schema"
INTRODUCTION = """# Commands

What each command says of itself with `--help`; `make docs` writes this page. Every command exits with 0 if it did what it was asked,
and with 2 if something that it was given is wrong, with one line that says what. `accord monitor` exits with 3 on alarms,
`accord doctor` with 1 if something is damaged. With `--json`, where a command has it, standard output holds one JSON object of the
type that [commands.schema.json](commands.schema.json) says, and all that is for people goes to standard error; with `--quiet`
errors alone are printed. `make`
alone lists the targets; those that are named as a command pass `ARGS` on to it, as in `make run ARGS="model=linear"`.
"""


def page() -> str:
    return "\n".join([INTRODUCTION, *(_section(name, command) for name, command in _commands().items())])


def _commands() -> dict[str, argparse.ArgumentParser]:
    [commands] = (
        action for action in command_line.parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return dict(commands.choices)


def _section(name: str, command: argparse.ArgumentParser) -> str:
    command.formatter_class = partial(argparse.HelpFormatter, width=WIDTH)  # not the terminal's
    return f"## accord {name}\n\n```\n{command.format_help()}```\n"


def schemas() -> str:
    """What each command that has --json prints, as JSON Schema."""
    modules = {name: import_module(f"accord.commands.{name}") for name in command_line.COMMANDS}
    types = {name: _type(module.TELLS) for name, module in modules.items() if hasattr(module, "TELLS")}
    found, parts = msgspec.json.schema_components(types.values(), schema_hook=_of_other)
    commands = dict(zip(types, found, strict=True))
    return (
        as_json({"$schema": SCHEMA, "title": "accord COMMAND --json", "properties": commands, "$defs": parts})
        + "\n"
    )


def _type(named: str) -> Any:
    module, _, name = named.partition(":")
    return getattr(import_module(module), name)


def _of_other(kind: Any) -> dict[str, Any]:
    """Of types that aren't msgspec's: paths, counters, and sections of the config, which are models of pydantic."""
    if kind is Path:
        return {"type": "string"}
    if kind is Counter:
        return {"type": "object", "additionalProperties": {"type": "integer"}}
    return dict(kind.model_json_schema(ref_template="#/$defs/{model}"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMAS.write_text(schemas(), encoding="utf-8")
