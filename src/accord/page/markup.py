"""The only way into a page: whatever comes from clients, files and configs is shown as text, never as markup or script."""

import base64
import hashlib
from typing import Any

from markupsafe import Markup, escape

from accord.terminal import foreign


def plain(value: Any) -> Any:
    """The value as a template shows it: in text that isn't markup, control characters are written as escapes."""
    return foreign(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def escaped(value: Any) -> Markup:
    """The value as markup that shows it, within an element or an attribute in quotes.

    >>> escaped("<b title='\\x1b'>")
    Markup('&lt;b title=&#39;\\\\x1b&#39;&gt;')
    """
    return escape(plain(value))


def security_policy(*scripts: str) -> Markup:
    """The Content-Security-Policy of a page: the browser loads nothing, and runs these scripts alone. If foreign markup got into
    the page, its scripts would not run."""
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    ]
    rules = [
        "default-src 'none'",
        " ".join(["script-src", *(hashes or ["'none'"])]),
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "font-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return Markup('<meta http-equiv="Content-Security-Policy" content="{}">').format("; ".join(rules))
