"""What accord uses of BentoML that BentoML's documentation doesn't promise. All of it stands here."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bentoml

from accord.errors import AccordError
from accord.serving.asgi import App

COMPARED_WITH = "1.4.39"
"""The version whose code this was compared with. A test fails for another version, so that somebody compares again."""


def page_files() -> list[str]:
    """The paths of the files that BentoML's page consists of, Swagger UI among them. Raises AccordError if they are where nobody looked."""
    folder = Path(bentoml.__file__).parent / "_internal/server/static_content"
    paths = [f"/static_content/{file.name}" for file in folder.glob("*")]
    if not paths:
        raise AccordError(
            f"BentoML {version('bentoml')} has no files in {folder}, where BentoML {COMPARED_WITH} keeps those of its page; "
            f"install bentoml=={COMPARED_WITH}, or correct accord.serving.bentoml_internals"
        )
    return paths


def outermost(around: Callable[[App], App]) -> dict[str, Any]:
    """The arguments of `bentoml.service` that put an application in front of all that BentoML does. Empty if BentoML's
    Service makes its application in another way; then the application belongs among the middleware, which is slower and
    answers the same."""
    base: Any = getattr(getattr(bentoml, "Service", None), "to_asgi", None)
    if base is None:
        return {}

    class InFront(bentoml.Service):  # type: ignore[misc]
        def to_asgi(self, is_main: bool = True) -> App:
            return around(base(self, is_main=is_main))

    return {"service_class": InFront}
