"""The `accord` command. Each of its commands is a module of accord.commands."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from accord import conflicts
from accord.command_line import COMMANDS, parser
from accord.files import as_json
from accord.paths import Paths, project_root
from accord.program import exit_with_message
from accord.terminal import aside, foreign, say


def main(arguments: Sequence[str] | None = None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        say(foreign(parser().format_help()), end="")
        return
    parsed = parser([name for name in COMMANDS if name in words[:1]] or COMMANDS).parse_args(words)

    def work() -> None:
        root = project_root(Path.cwd(), parsed.on_damage)
        paths = Paths(Path(os.path.relpath(root)))  # as the user would type them
        if not parsed.on_damage:
            conflicts.refuse(paths, parsed.resolves(paths))
        with aside(parsed.aside), alone(paths) if parsed.is_alone else nullcontext():
            told = parsed.run(parsed, paths)
        if parsed.aside == "stderr":
            say(foreign(as_json(told.value, ascii_only=True)))
        if told is not None and told.exit_code:
            sys.exit(told.exit_code)

    exit_with_message(work)


@contextmanager
def alone(paths: Paths) -> Iterator[None]:
    from accord import dvc

    with dvc.alone(paths):
        yield
