"""The one shape of error that a user's mistake ends in."""

import difflib
from collections.abc import Iterable, Sequence


class AccordError(Exception):
    """A user's mistake. Its message is one line: what failed, what was found, what was expected, what to do. Where several
    things are to be mended, `details` has a line for each."""

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__("; ".join([message, *details]))
        self.message, self.details = message, details


def nearest(word: str, valid: Iterable[str]) -> str:
    """The clause of an error message that lists the valid names, the nearest ones first.

    >>> nearest("linaer", ["lightgbm", "linear", "baseline"])
    "did you mean 'linear'? Valid: baseline, lightgbm, linear"
    >>> nearest("xyz", ["lightgbm", "linear"])
    'valid: lightgbm, linear'
    """
    names = sorted(set(valid))
    close = difflib.get_close_matches(word, names, n=3)
    shown = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    if close:
        return f"did you mean {' or '.join(repr(name) for name in close)}? Valid: {shown}"
    return f"valid: {shown or 'none'}"
