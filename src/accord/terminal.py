"""The one way to a terminal: what clients, files and configs bring is shown there, and never steers it.

Whatever is printed goes through `say` or `complain`. A plain string is one line, whatever is in it; text of several lines
is made by `lines`, so that a value with a line break can't pass for a line of ours.
"""

import os
import re
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from types import TracebackType
from typing import Any, Literal, TextIO

CONTROLS = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0, without tab and line feed, delete, and C1
    r"\u2028\u2029"  # separators of lines and paragraphs
    r"\u202a-\u202e\u2066-\u2069"  # these show the text behind them in another order
    r"\ud800-\udfff"  # halves of surrogate pairs, which can't be encoded
)
CONTROL, CONTROL_OR_BREAK = re.compile(f"[{CONTROLS}]"), re.compile(f"[{CONTROLS}\n]")


class Lines(str):
    """Text of several lines that is fit for a terminal. `lines` and `foreign` make it."""

    __slots__ = ()


def visible(text: str) -> str:
    r"""The text as one line, with every character that would steer a terminal written as an escape.

    >>> print(visible("\x1b[2Jtwo\nlines \u202e!"))
    \x1b[2Jtwo\nlines \u202e!
    """
    return CONTROL_OR_BREAK.sub(_escape, text)


def lines(texts: Iterable[str]) -> Lines:
    """Each text as a line of its own; text of several lines keeps them."""
    return Lines("\n".join(text if isinstance(text, Lines) else visible(text) for text in texts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """The rows below their head as lines of aligned columns; those numbered in `right` are aligned to the right.

    >>> print(*table(("team", "n"), [("sales", "7"), ("product", "12")], right={1}), sep="\\n")
    team      n
    sales     7
    product  12
    """
    return columns([head, *rows], right)


def columns(rows: Iterable[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """The rows, all of one length, as lines of aligned columns without a head. Blanks around a value stay.

    >>> print(*columns([("score", "6.5"), ("acts if", "score > 0"), ("", " = 6.5 > 0")]), sep="\\n")
    score    6.5
    acts if  score > 0
              = 6.5 > 0
    """
    from tabulate import tabulate

    cells = [[visible(cell) for cell in row] for row in rows]
    if not cells:
        return []
    sides = ["right" if i in right else "left" for i in range(len(cells[0]))]
    text = tabulate(cells, tablefmt="plain", colalign=sides, disable_numparse=True, preserve_whitespace=True)
    return [line.rstrip() for line in text.split("\n")]


def foreign(text: str) -> Lines:
    """What another program wrote, or a traceback: its own line breaks are kept."""
    return Lines(CONTROL.sub(_escape, text))


def say(*texts: str, file: TextIO | None = None, end: str = "\n") -> None:
    """Prints the texts one below the other, to standard output by default. What the stream can't encode is written as an
    escape too."""
    stream = file or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = lines(texts).encode(encoding, "backslashreplace").decode(encoding)
    print(text, end=end, file=stream, flush=True)


@contextmanager
def aside(to: Literal["stderr", "nowhere"] | None) -> Iterator[None]:
    """What this process, and programs that it starts, print to standard output within the block goes elsewhere; None: it stays."""
    if to is None:
        yield
        return
    sys.stdout.flush()
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(sys.stderr if to == "stderr" else nowhere) as stream,
    ):
        kept = os.dup(1)
        os.dup2(2 if to == "stderr" else nowhere.fileno(), 1)
        try:
            yield
        finally:
            stream.flush()
            os.dup2(kept, 1)
            os.close(kept)


def complain(*texts: str) -> None:
    """Prints the texts to standard error."""
    say(*texts, file=sys.stderr)


def show_progress(text: str) -> None:
    """Shows the text in the place of what was shown last, if somebody is looking."""
    if sys.stderr.isatty():
        say(Lines(f"\r{visible(text)}"), file=sys.stderr, end="")


def end_progress() -> None:
    """What is printed from here on begins on a line of its own."""
    if sys.stderr.isatty():
        complain("")


def take_over_tracebacks() -> None:
    """Prints the tracebacks of this process by `complain`: an error's text may quote a client."""
    sys.excepthook = _print_traceback


def take_over_logs() -> None:
    """The same for what libraries log in this process, whichever handlers and colours they use."""
    import logging

    made = logging.getLogRecordFactory()

    def plain(*args: Any, **keywords: Any) -> logging.LogRecord:
        record = made(*args, **keywords)
        record.msg, record.args = foreign(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = _traceback(*record.exc_info)
        return record

    logging.setLogRecordFactory(plain)
    take_over_tracebacks()


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    complain(_traceback(kind, error, trace))


def _traceback(kind: Any, error: Any, trace: Any) -> Lines:
    import traceback

    return foreign("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
