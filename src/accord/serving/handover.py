"""The serving section of the config, as it reaches the service: by the environment, or by a file in the Bento."""

import os
from pathlib import Path

from accord.schema.serving import Serving

VARIABLE = "ACCORD_SERVING"
FILE = "serving.json"
"""In the Bento: the settings as they were when it was packaged."""
HOME_VARIABLE = "ACCORD_HOME"
SUPERVISOR_VARIABLE = "ACCORD_SUPERVISOR"
"""By which workers know their supervisor; a service that is started from within another has one of its own."""
TOKEN_VARIABLE = "ACCORD_TOKEN"


def load(bento: Path) -> Serving:
    """The settings of the service of the Bento in this folder."""
    given = os.environ.get(VARIABLE)
    if given is None and (bento / FILE).is_file():
        given = (bento / FILE).read_text(encoding="utf-8")
    return Serving() if given is None else Serving.model_validate_json(given)


def home(bento: Path) -> Path:
    """The project whose champion is served and whose traffic is logged: that of the store which holds the Bento. One
    elsewhere, such as in a container, is its own."""
    given, store = os.environ.get(HOME_VARIABLE), Path(os.environ.get("BENTOML_HOME", ""))
    if given:
        return Path(given)
    return store.parent if store.name == ".bentoml" else bento
