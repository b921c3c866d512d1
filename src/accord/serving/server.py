"""Starting the service of a Bento."""

import os
import sys
from pathlib import Path

from accord.config.schema import Serving
from accord.errors import AccordError
from accord.serving import packaging


def command(tag: str, host: str, port: int, workers: int) -> tuple[list[str], Path, dict[str, str]]:
    """The command that serves the Bento, the folder to run it in, and its environment: the Bento's own code runs, not
    the project's as it is now."""
    source = packaging.folder(tag).absolute() / "src"
    if not source.is_dir():
        raise AccordError(f"There is no Bento {tag}; make it: `accord run`")
    words = [sys.executable, "-m", "bentoml", "serve", tag, "--host", host, "--port", str(port)]
    if workers > 1:
        words += ["--api-workers", str(workers)]
    return words, source, {**packaging.environment(), "PYTHONPATH": str(source / "src")}


def serve(tag: str, settings: Serving) -> None:
    """Turns this process into the BentoML server of the Bento."""
    words, source, environment = command(tag, settings.host, settings.port, settings.workers)
    print(
        f"Serving {tag} on http://{settings.host}:{settings.port} (the API's page is its root; Ctrl-C stops)",
        flush=True,
    )
    os.chdir(source)
    os.execve(sys.executable, words, environment)
