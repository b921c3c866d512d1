"""Starting the service of a Bento."""

import os
import sys
from pathlib import Path

from accord.errors import AccordError
from accord.paths import Paths
from accord.schema.serving import Serving
from accord.serving import bento, handover, token
from accord.terminal import say


def command(tag: str, settings: Serving, home: Path, paths: Paths) -> tuple[list[str], Path, dict[str, str]]:
    """The command that serves the Bento of this project, the folder to run it in, and its environment: the Bento's own
    code runs, not the project's as it is now. `home` is the folder of the project whose champion it follows and where it
    logs its traffic."""
    build = bento.folder(tag, paths).resolve()  # it stays as it is when the model is packaged again
    source = build / "src"
    if not source.is_dir():
        raise AccordError(f"There is no Bento {tag}; make it: `accord run`")
    words = [
        sys.executable, "-m", "bentoml", "serve", str(build), "--host", settings.host, "--port", str(settings.port),
        "--timeout-graceful-shutdown", str(int(settings.timeout_s)),
    ]  # fmt: skip
    variables = {
        handover.VARIABLE: settings.model_dump_json(),
        handover.HOME_VARIABLE: str(home.resolve()),
        "BENTOML_HOME": str(_own_home(settings.port, paths)),
        "PYTHONPATH": str(source / "src"),
        # Where programs look for a temporary folder, in this order: a start must not fail because the disk is full.
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "TMP": os.environ.get("TMP", "/dev/shm"),
    }
    return words, source, {**bento.variables_of_bentoml(paths), **variables}


def _own_home(port: int, paths: Paths) -> Path:
    """A home of BentoML's for the service on this port: a service begins by deleting the metrics that its home holds, and
    those of another that runs beside it must stay."""
    home = paths.absolute.bentoml / "serving" / str(port)
    home.mkdir(parents=True, exist_ok=True)
    return home


def serve(tag: str, settings: Serving, paths: Paths) -> None:
    """Turns this process into the guard of the Bento's server."""
    words, source, variables = command(tag, settings, paths.root, paths)
    if token.is_loopback(settings.host) and not variables.get(handover.TOKEN_VARIABLE):
        variables[handover.TOKEN_VARIABLE] = token.own(paths.token)
    say(f"Serving {tag} on http://{settings.host}:{settings.port} (the API's page is its root; Ctrl-C stops)")
    os.set_inheritable(bento.hold(source.parent), True)  # the guard holds it for as long as it lives
    os.chdir(source)
    os.execve(sys.executable, [sys.executable, "-m", "accord.serving.guard", *words], variables)
