"""Packaging: models/bundle as a Bento, named by the model's id.

.bentoml/builds/ID-CONTENT        what BentoML built; never changed, so that a service that runs it is not hurt
.bentoml/bentos/accord/ID         a link to the latest of them, where BentoML's own commands find accord:ID
"""

import getpass
import hashlib
import math
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from accord import locks
from accord.errors import AccordError
from accord.files import read_json, remove, replacing, scratch, sha256, write_text
from accord.models import loading
from accord.paths import Paths
from accord.schema.serving import Serving
from accord.serving import handover

BUILDS = "builds"
BENTOFILE, REQUIREMENTS = "bentofile.yaml", "requirements/serving.lock"
LOCK = ".packaging"
"""One process packages at a time, be it `accord run` or `accord serve`."""
UNFINISHED = "building-"


def variables_of_bentoml(paths: Paths) -> dict[str, str]:
    """The environment that BentoML runs in: its store inside the project, no telemetry."""
    inherited = {name: value for name, value in os.environ.items() if name != handover.SUPERVISOR_VARIABLE}
    return {**inherited, "BENTOML_HOME": str(paths.absolute.bentoml), "BENTOML_DO_NOT_TRACK": "True"}


def package(bundle: Path, settings: Serving, paths: Paths) -> str:
    """The tag of the Bento that holds the bundle in this folder, and these settings unless it is started with others;
    built now, or found as built before."""
    if not (bundle / "manifest.json").is_file():
        raise AccordError(f"No model in {bundle}; expected a bundle. Make one: `accord run`")
    version = read_json(bundle / "manifest.json")["model_id"]
    tag = f"accord:{version}"
    content = content_sha256(bundle, settings, paths)
    build = paths.bentoml / BUILDS / f"{version}-{content[:16]}"
    with locks.held(paths.bentoml / LOCK, math.inf):
        _sweep(paths)
        if not build.is_dir():
            _place(build, tag, content, bundle, settings, paths)
        if (link := folder(tag, paths)).resolve() != build.resolve():
            _point(link, build)
            write_text(link.parent / "latest", version)
        _remove_unused(version, build, paths)
    return tag


def content_sha256(bundle: Path, settings: Serving, paths: Paths) -> str:
    """The hash of all that goes into the Bento; a model's id is the hash of the model alone."""
    taken = [paths.root / name for name in _taken(bundle, paths).values()]
    parts = sha256(*taken), sha256(*sorted(bundle.iterdir())), settings.model_dump_json()
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _taken(bundle: Path, paths: Paths) -> dict[str, str]:
    """What goes into a Bento from the project, by where it stands there: of src accord's own code, and modules of the project's
    beside it; and the pinned lock of what this bundle's models need."""
    code = (path.name for path in (paths.root / "src").iterdir() if path.suffix in ("", ".py"))
    sources = sorted(f"src/{name}" for name in code if name != "__pycache__")
    kind = loading.model_class(read_json(bundle / "manifest.json")["model"]["_target_"])
    lock = REQUIREMENTS.replace("serving", "-".join(["serving", *kind.libraries]))
    return {BENTOFILE: BENTOFILE, REQUIREMENTS: lock, **{name: name for name in sources}}


def _place(build: Path, tag: str, content: str, bundle: Path, settings: Serving, paths: Paths) -> None:
    """Builds the Bento elsewhere and moves it into place, so that half of one, which a kill leaves, is never taken for a
    Bento."""
    name, version = tag.split(":")
    with TemporaryDirectory(prefix=UNFINISHED, dir=paths.bentoml) as home, replacing(build) as temporary:
        _build(version, content, bundle, settings, Path(home), paths)
        temporary.mkdir()  # readable as the umask says; the folder that BentoML makes is for one user alone
        for part in (Path(home) / "bentos" / name / version).iterdir():
            part.rename(temporary / part.name)


def _sweep(paths: Paths) -> None:
    """Removes what killed builds have left."""
    for leftover in [
        *paths.bentoml.glob(f"{UNFINISHED}*"),
        *(paths.bentoml / BUILDS).glob(".*.tmp"),
        *paths.bentoml.glob("bentos/*/.*.tmp"),
    ]:
        remove(leftover)


def hold(build: Path) -> int:
    """Marks a build as one that a service runs, so that it is not removed, until the descriptor is closed."""
    descriptor = os.open(build, os.O_RDONLY)
    locks.share(descriptor)
    return descriptor


def _point(link: Path, build: Path) -> None:
    """Makes the link point to the build, atomically."""
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(build, link.parent))
    if link.is_dir() and not link.is_symlink():  # a Bento that BentoML put there, such as by `bentoml import`
        shutil.rmtree(link)
    temporary.rename(link)


def _remove_unused(version: str, current: Path, paths: Paths) -> None:
    """Removes the earlier builds of a model, except those that a service still runs; a later call removes these."""
    for build in current.parent.glob(f"{version}-*"):
        if build == current:
            continue
        descriptor = os.open(build, os.O_RDONLY)
        try:
            if locks.locked(descriptor):
                with TemporaryDirectory(
                    prefix=UNFINISHED, dir=paths.bentoml
                ) as away:  # a kill leaves no half of it under its name
                    build.rename(Path(away) / build.name)
        finally:
            os.close(descriptor)


def _build(version: str, content: str, bundle: Path, settings: Serving, home: Path, paths: Paths) -> None:
    """Builds the Bento in a BentoML home of its own, from the project with this bundle in models/bundle."""
    command = [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag"]
    for name, value in {**labels(paths), "content_sha256": content}.items():
        command += ["--label", f"{name}={value}"]
    # Outside the project: BentoML takes nothing from a hidden folder, such as its own.
    with scratch("package", paths.root) as context:
        _lay_out(context, bundle, settings, paths)
        variables = {
            **variables_of_bentoml(paths),
            "BENTOML_HOME": str(home.resolve()),
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


def _lay_out(context: Path, bundle: Path, settings: Serving, paths: Paths) -> None:
    """The folder that `bentoml build` works in: the project's, with this bundle in models/bundle."""
    (context / handover.FILE).write_text(settings.model_dump_json(), encoding="utf-8")
    for name, source in _taken(bundle, paths).items():
        (context / name).parent.mkdir(exist_ok=True)
        if (paths.root / source).is_dir():
            shutil.copytree(paths.root / source, context / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(paths.root / source, context / name)
    shutil.copytree(bundle, Paths(context).bundle)


def folder(tag: str, paths: Paths) -> Path:
    """Where the Bento's files are: a link, which the next packaging of the same model may point elsewhere."""
    return paths.bentoml / "bentos" / tag.replace(":", "/")


def labels(paths: Paths) -> dict[str, str]:
    """Who built it, when, and from which commit: kept beside the Bento, since they don't change what it answers."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=paths.root, capture_output=True, text=True
    )
    return {
        "git_commit": commit.stdout.strip() or "none",
        "built_at": datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%SZ"),
        "built_by": getpass.getuser(),
    }
