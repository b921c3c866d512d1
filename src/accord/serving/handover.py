"""The serving section of the config, as the service gets it: from the environment, or from a file in the Bento."""

import os
from pathlib import Path

from accord.errors import AccordError
from accord.schema.serving import Serving

VARIABLE = "ACCORD_SERVING"
FILE = "serving.json"
"""In the Bento: the settings as they were when it was packaged."""
HOME_VARIABLE = "ACCORD_HOME"
SUPERVISOR_VARIABLE = "ACCORD_SUPERVISOR"
"""Holds the supervisor's process id for its workers. A service that is started by another has its own supervisor."""
TOKEN_VARIABLE = "ACCORD_TOKEN"


def load(bento: Path) -> Serving:
    """The settings of the service of the Bento in this folder. Raises AccordError where there are none: the service has no
    settings of its own."""
    given, file = os.environ.get(VARIABLE), bento / FILE
    if given is None and not file.is_file():
        raise AccordError(
            f"the service has no settings: neither {VARIABLE} nor {file}, which `accord package` puts into the Bento; "
            "serve it by `accord serve`, or start it in the Bento's own folder"
        )
    return Serving.model_validate_json(file.read_text(encoding="utf-8") if given is None else given)


def home(bento: Path) -> Path:
    """The project whose champion is served and whose traffic is logged: that of the store which holds the Bento. One
    elsewhere, such as in a container, is its own."""
    given, store = os.environ.get(HOME_VARIABLE), Path(os.environ.get("BENTOML_HOME", ""))
    if given:
        return Path(given)
    return store.parent if store.name == ".bentoml" else bento
