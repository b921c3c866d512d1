"""Packaging: models/bundle as a Bento, named by the model's id."""

import getpass
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from accord.errors import AccordError
from accord.files import read_json
from accord.paths import BUNDLE

BENTOML_HOME = Path(".bentoml")


def environment() -> dict[str, str]:
    """The environment that BentoML runs in: its store inside the project, no telemetry."""
    return {**os.environ, "BENTOML_HOME": str(BENTOML_HOME.absolute()), "BENTOML_DO_NOT_TRACK": "True"}


def package() -> str:
    """The tag of the Bento that holds models/bundle; built now, or found as built before."""
    if not (BUNDLE / "manifest.json").is_file():
        raise AccordError(f"No model in {BUNDLE}; expected a bundle. Make one: `accord run`")
    manifest = read_json(BUNDLE / "manifest.json")
    tag = f"accord:{manifest['model_id']}"
    if folder(tag).is_dir():
        return tag
    command = [sys.executable, "-m", "bentoml", "build", "--version", manifest["model_id"], "--output", "tag"]
    for name, value in labels().items():
        command += ["--label", f"{name}={value}"]
    done = subprocess.run(command, env={**environment(), "PYTHONPATH": "src"}, capture_output=True, text=True)
    if done.returncode:
        raise AccordError(f"bentoml build failed: {done.stderr.strip() or done.stdout.strip()}")
    return tag


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
