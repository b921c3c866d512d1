"""References to the environment, which the config keeps as they are until a process needs their values."""

import os
import re

from accord.errors import AccordError

REFERENCE = re.compile(r"\$\{oc\.env:([^,{}]+)(?:,([^{}]*))?\}")


def resolved(text: str, where: str) -> str:
    """The text with every `${oc.env:NAME}` and `${oc.env:NAME,default}` replaced. `where` is its config key, for the
    AccordError that a missing variable raises.

    >>> resolved("postgresql://accord@${oc.env:ACCORD_NO_SUCH_HOST,localhost}/traffic", "serving.traffic.postgres.url")
    'postgresql://accord@localhost/traffic'
    """

    def value(found: re.Match[str]) -> str:
        name = found[1].strip()
        given = os.environ.get(name, found[2])
        if given is None:
            raise AccordError(
                f"{where} refers to the environment's {name}, which is not set; set it, or choose another serving option"
            )
        return given.strip()

    return REFERENCE.sub(value, text)
