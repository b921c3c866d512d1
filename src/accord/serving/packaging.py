"""Packaging: models/bundle as a Bento, named by the model's id."""

import getpass
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from accord.errors import AccordError
from accord.files import read_json
from accord.paths import BUNDLE

BENTOML_HOME = Path(".bentoml")


def environment() -> dict[str, str]:
    """The environment that BentoML runs in: its store inside the project, no telemetry."""
    return {**os.environ, "BENTOML_HOME": str(BENTOML_HOME.absolute()), "BENTOML_DO_NOT_TRACK": "True"}


def package(bundle: Path) -> str:
    """The tag of the Bento that holds the bundle in this folder; built now, or found as built before."""
    if not (bundle / "manifest.json").is_file():
        raise AccordError(f"No model in {bundle}; expected a bundle. Make one: `accord run`")
    version = read_json(bundle / "manifest.json")["model_id"]
    tag = f"accord:{version}"
    built = folder(tag) / "src" / BUNDLE / "manifest.json"
    if built.is_file() and read_json(built) == read_json(bundle / "manifest.json"):
        return tag
    shutil.rmtree(folder(tag), ignore_errors=True)  # the same model, but built from other code
    with TemporaryDirectory() as context:
        _lay_out(Path(context), bundle)
        command = [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag"]
        for name, value in labels().items():
            command += ["--label", f"{name}={value}"]
        environ = {**environment(), "PYTHONPATH": f"{context}/src"}
        done = subprocess.run([*command, context], cwd=context, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise AccordError(f"bentoml build failed: {done.stderr.strip() or done.stdout.strip()}")
    return tag


def _lay_out(context: Path, bundle: Path) -> None:
    """The folder that `bentoml build` works in: the project's, with this bundle in models/bundle."""
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
