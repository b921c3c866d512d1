"""Starting the service of a Bento."""

import os
import sys
from pathlib import Path

from accord.config.schema import Serving
from accord.errors import AccordError
from accord.serving import packaging


def serve(tag: str, settings: Serving) -> None:
    """Turns this process into the BentoML server of the Bento. Its own code runs, not the project's as it is now."""
    source = packaging.folder(tag).absolute() / "src"
    if not source.is_dir():
        raise AccordError(f"There is no Bento {tag}; make it: `accord run`")
    environment = {**packaging.environment(), "PYTHONPATH": str(source / "src")}
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        tag,
        "--host",
        settings.host,
        "--port",
        str(settings.port),
    ]
    if settings.workers > 1:
        command += ["--api-workers", str(settings.workers)]
    print(
        f"Serving {tag} on http://{settings.host}:{settings.port} (the API's page is its root; Ctrl-C stops)",
        flush=True,
    )
    os.chdir(Path(source))
    os.execve(sys.executable, command, environment)
