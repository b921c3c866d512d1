"""Packaging: models/bundle as a Bento, named by the model's id."""

import getpass
import math
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from accord import locks
from accord.config.schema import Serving
from accord.errors import AccordError
from accord.files import read_json, remove, replacing, scratch, sha256, write_text
from accord.paths import BUNDLE
from accord.serving import settings as environment

BENTOML_HOME = Path(".bentoml")
LOCK = ".packaging"
"""One process packages at a time, be it `accord run` or `accord serve`."""
UNFINISHED = "building-"


def variables_of_bentoml() -> dict[str, str]:
    """The environment that BentoML runs in: its store inside the project, no telemetry."""
    inherited = {name: value for name, value in os.environ.items() if name != environment.SUPERVISOR_VARIABLE}
    return {**inherited, "BENTOML_HOME": str(BENTOML_HOME.absolute()), "BENTOML_DO_NOT_TRACK": "True"}


def package(bundle: Path, settings: Serving) -> str:
    """The tag of the Bento that holds the bundle in this folder, and these settings unless it is started with others;
    built now, or found as built before."""
    if not (bundle / "manifest.json").is_file():
        raise AccordError(f"No model in {bundle}; expected a bundle. Make one: `accord run`")
    version = read_json(bundle / "manifest.json")["model_id"]
    tag = f"accord:{version}"
    with locks.held(BENTOML_HOME / LOCK, math.inf):
        _sweep()
        if not is_current(tag, bundle, settings):
            _place(tag, bundle, settings)
    return tag


def is_current(tag: str, bundle: Path, settings: Serving) -> bool:
    """Whether the Bento is there and holds this bundle, these settings and the code as it is; neither settings nor code
    change a model's id."""
    source = folder(tag) / "src"
    built = source / BUNDLE / "manifest.json"
    return (
        built.is_file()
        and read_json(built) == read_json(bundle / "manifest.json")
        and (source / environment.FILE).is_file()
        and (source / environment.FILE).read_text(encoding="utf-8") == settings.model_dump_json()
        and sha256(source / "src/accord") == sha256(Path("src/accord"))
    )


def _place(tag: str, bundle: Path, settings: Serving) -> None:
    """Builds the Bento elsewhere and moves it into place, so that half of one, of a build that was killed, is never taken
    for a Bento."""
    name, version = tag.split(":")
    with TemporaryDirectory(prefix=UNFINISHED, dir=BENTOML_HOME) as home, replacing(folder(tag)) as temporary:
        _build(version, bundle, settings, Path(home))
        shutil.move(Path(home) / "bentos" / name / version, temporary)
    write_text(folder(tag).parent / "latest", version)


def _sweep() -> None:
    """Removes what builds that were killed had begun."""
    for leftover in [*BENTOML_HOME.glob(f"{UNFINISHED}*"), *BENTOML_HOME.glob("bentos/*/.*.tmp")]:
        remove(leftover)


def _build(version: str, bundle: Path, settings: Serving, home: Path) -> None:
    """Builds the Bento in a BentoML home of its own, from the project with this bundle in models/bundle."""
    command = [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag"]
    for name, value in labels().items():
        command += ["--label", f"{name}={value}"]
    with scratch("package") as context:  # BentoML takes nothing from a hidden folder, such as its own
        _lay_out(context, bundle, settings)
        variables = {
            **variables_of_bentoml(),
            "BENTOML_HOME": str(home.absolute()),
            "PYTHONPATH": f"{context}/src",
        }
        done = subprocess.run(
            [*command, str(context)], cwd=context, env=variables, capture_output=True, text=True
        )
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        if "No space left" in done.stderr + done.stdout:
            reason = (
                "The disk is full: No space left on device. Nothing was lost; free some space and run again"
            )
        raise AccordError(f"bentoml build failed: {reason}")


def _lay_out(context: Path, bundle: Path, settings: Serving) -> None:
    """The folder that `bentoml build` works in: the project's, with this bundle in models/bundle."""
    (context / environment.FILE).write_text(settings.model_dump_json(), encoding="utf-8")
    for name in ("bentofile.yaml", "requirements/serving.lock"):
        (context / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(name, context / name)
    shutil.copytree("src/accord", context / "src/accord", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(bundle, context / BUNDLE)


def folder(tag: str) -> Path:
    """Where the Bento's files are."""
    return BENTOML_HOME / "bentos" / tag.replace(":", "/")


def labels() -> dict[str, str]:
    """Who built it, when, and from which commit: kept beside the Bento, since they don't change what it answers."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {
        "git_commit": commit.stdout.strip() or "none",
        "built_at": datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%SZ"),
        "built_by": getpass.getuser(),
    }
