"""One module per accord command: what it is for, its arguments, and its call."""

import argparse
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple, TypeVar

N = TypeVar("N", int, float)
URL = "http://127.0.0.1:3000"


class Told(NamedTuple):
    """What a command found, for programs that ask with --json: of the type that its module's TELLS names."""

    value: Any
    exit_code: int = 0


def positive(kind: type[N]) -> Callable[[str], N]:
    """Reads a number above zero."""

    def number(text: str) -> N:
        try:
            value = kind(text)
        except ValueError as error:
            wanted = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"'{text}' is not {wanted} above 0") from error
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
        return value

    return number


def day(text: str) -> date:
    """Reads a day."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no day; expected such as 2013-07-01") from error


def add_day(parser: argparse.ArgumentParser, option: str, name: str, does: str) -> None:
    """Adds an option that takes a day; `name` is its attribute among the parsed arguments."""
    parser.add_argument(option, type=day, dest=name, metavar="DATE", help=does)


def add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default=URL, help="the service (default: %(default)s)")
