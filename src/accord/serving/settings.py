"""The serving section of the config, as it reaches the service: by the environment, or by a file in the Bento."""

import os
from pathlib import Path

from accord.config.schema import Serving

VARIABLE = "ACCORD_SERVING"
FILE = Path("serving.json")
"""In the Bento: the settings as they were when it was packaged."""
HOME_VARIABLE = "ACCORD_HOME"


def load() -> Serving:
    given = os.environ.get(VARIABLE)
    if given is None and FILE.is_file():
        given = FILE.read_text(encoding="utf-8")
    return Serving() if given is None else Serving.model_validate_json(given)


def home() -> Path:
    """The project whose champion is served and whose traffic is logged; a Bento on its own is its own."""
    return Path(os.environ.get(HOME_VARIABLE, "."))
