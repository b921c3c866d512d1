"""One module per accord command: what it is for, its arguments, and its call."""

import argparse
from collections.abc import Callable
from datetime import date
from typing import TypeVar

N = TypeVar("N", int, float)
URL = "http://127.0.0.1:3000"


def positive(kind: type[N]) -> Callable[[str], N]:
    """Reads a number above zero."""

    def number(text: str) -> N:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number


def add_day(parser: argparse.ArgumentParser, option: str, name: str, does: str) -> None:
    """Adds an option that takes a day; `name` is its attribute among the parsed arguments."""
    parser.add_argument(option, type=date.fromisoformat, dest=name, metavar="DATE", help=does)


def add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default=URL, help="the service (default: %(default)s)")
