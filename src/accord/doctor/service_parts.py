"""What serves: the bundle, the Bento that is made of it, the token, and the port."""

import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
import yaml

from accord import processes
from accord.bundle.bundle import load_bundle
from accord.doctor import mending
from accord.doctor.finding import Finding, in_one_line, json_of, read, trouble
from accord.files import sha256
from accord.paths import Paths
from accord.serving import handover, listening, token


class Champion(msgspec.Struct):
    model_id: str | None = None


def bundle(paths: Paths) -> Iterator[Finding]:
    """models/bundle, which the pipeline makes: whole, of this format, and by the code that is here."""
    from accord import code

    folder = paths.bundle
    if not folder.is_dir():
        return  # said of the pipeline's outs
    try:
        made = load_bundle(folder)
    except Exception as error:
        yield Finding(
            str(folder), f"can't be loaded: {in_one_line(error)}", "There is no candidate to judge, promote or serve",
            f"dvc checkout --force {folder}, or make it again: accord run",
        )  # fmt: skip
        return
    if made.manifest.get("code_sha256") != code.hash_of_answering():
        yield Finding(
            str(folder), "was made by other code than src/accord has now",
            "The code may answer otherwise than the code that it was judged with", "accord run",
        )  # fmt: skip


def packaged(paths: Paths) -> Iterator[Finding]:
    """The Bento that `accord serve` would start: the champion's, or the candidate's while there is none."""
    from accord.config import lock
    from accord.serving import bento

    problem = trouble(paths.bentoml, paths.root, is_folder=True, is_written=True)
    of = _served(paths)
    if problem is not None or of is None:
        return  # said of the folders, or of the bundle
    model_id = _model_id(of, paths)
    if model_id is None:
        return
    tag = f"accord:{model_id}"
    link = bento.folder(tag, paths)
    settings = lock.load(paths).serving
    fix = partial(_built, of, paths)
    means, what = "accord serve builds it again before it starts", f"Bento {tag}"
    # A model that was made again, by other code or from more rows, has the same id: its Bento is as good as the release's.
    same = [
        of,
        *([paths.bundle] if paths.bundle != of and _model_id(paths.bundle, paths) == model_id else []),
    ]
    problem = _bento_problem(link, [bento.content_sha256(one, settings, paths) for one in same], paths)
    if problem is not None:
        yield Finding(what, problem, means, "accord serve, or accord doctor --fix", fix)
        return
    for part in (link.resolve(), *sorted(link.resolve().rglob("*"))):
        if "__pycache__" in part.parts:
            continue
        wanted = (0o555 if part.is_dir() else 0o444) & ~_umask()
        if stat.S_IMODE(part.stat().st_mode) & wanted != wanted:
            yield Finding(
                what, f"can't be read by other users: {part} has mode {stat.S_IMODE(part.stat().st_mode):04o}",
                "A service that runs as another user can't start", f"chmod -R a+rX {link.resolve()}",
                partial(_opened, link.resolve(), wanted=_umask()),
            )  # fmt: skip
            return


def own_token(paths: Paths) -> Iterator[Finding]:
    """The file with the token that a service on this machine takes outcomes by."""
    if os.environ.get(handover.TOKEN_VARIABLE):
        return
    file = paths.token
    problem = token.problem(file)
    if problem is None and not os.path.lexists(file) and (paths.bentoml / "serving").is_dir():
        problem = "is missing, though the service has run here"
    if problem is None:
        return
    is_mode = "other users" in problem
    yield Finding(
        str(file), problem,
        "Others may send outcomes in your name" if is_mode else "accord outcomes and accord replay are refused by the service, or stop",
        f"chmod 600 {file}, and if another may have read it, rm {file} and start the service again" if is_mode else f"rm -rf {file}, then accord serve, which makes another",
        partial(_new_token, file, is_mode, paths),
    )  # fmt: skip


def port(paths: Paths) -> Iterator[Finding]:
    """Whether something else than accord's service listens where it would."""
    from accord.config import lock

    settings = lock.load(paths).serving
    if not listening.in_use(settings.host, settings.port) or _is_ours(settings.port, paths):
        return
    free = listening.next_free(settings.host, settings.port) or settings.port
    process = _listener(settings.port)
    who = "another program" if process is None else processes.described(process)
    yield Finding(
        f"Port {settings.port} of {settings.host}", f"is taken by {who}", "accord serve can't start",
        f"end it, or accord serve --port {free}",
    )  # fmt: skip


def _served(paths: Paths) -> Path | None:
    """The bundle that would be served, if its bytes are here."""
    named, _ = read(paths.champion, paths.root, json_of(Champion))
    folder = paths.bundle if named is None or named.model_id is None else paths.releases / named.model_id
    return folder if (folder / "manifest.json").is_file() else None


def _model_id(bundle: Path, paths: Paths) -> str | None:
    manifest, _ = read(bundle / "manifest.json", paths.root, json_of(dict[str, Any]))
    return (manifest or {}).get("model_id")


def _bento_problem(link: Path, contents: Sequence[str], paths: Paths) -> str | None:
    """What is wrong with the Bento, which should hold one of these contents."""
    if not os.path.lexists(link):
        return "is missing"
    if not link.exists():
        return f"is a link to {os.readlink(link)}, which is not there"
    if not link.is_dir():
        return "is a file, where a folder is expected"
    described, problem = read(link / "bento.yaml", paths.root, partial(yaml.load, Loader=yaml.CSafeLoader))
    if problem is not None or not isinstance(described, dict):
        return f"has a bento.yaml that {problem or ('is missing' if described is None else 'is none')}"
    labels = described.get("labels") or {}
    if labels.get("content_sha256") not in contents:
        return "holds other code, another bundle or other settings than the project has now"
    src = link / "src"
    try:
        load_bundle(Paths(src).bundle)
    except Exception as error:
        return f"holds a bundle that can't be loaded: {in_one_line(error)}"
    if not (src / "src/accord").is_dir():
        return "is only half there: src/accord is missing"
    if sha256(src / "src/accord") != sha256(paths.root / "src/accord"):
        return "was changed after it was built: its src/accord is not the project's"
    return None


def _built(of: Path, paths: Paths) -> str:
    """Built again from its bundle; what was built before is set aside, since only a build that is whole has its name."""
    from accord.config import lock
    from accord.serving import bento

    version = read(of / "manifest.json", paths.root, json_of(dict[str, Any]))[0] or {}
    link = bento.folder(f"accord:{version.get('model_id')}", paths)
    said = []
    for path in (*sorted((paths.bentoml / bento.BUILDS).glob(f"{version.get('model_id')}-*")), link):
        if os.path.lexists(path):
            said.append(mending.set_aside(path, paths))
    tag = bento.package(of, lock.load(paths).serving, paths)
    return "; ".join([*said, f"{tag} is built"])


def _opened(build: Path, wanted: int) -> str:
    for part in (build, *build.rglob("*")):
        bits = (0o555 if part.is_dir() else 0o444) & ~wanted
        part.chmod(stat.S_IMODE(part.stat().st_mode) | bits)
    return f"{build} can be read by other users now"


def _new_token(file: Path, is_mode: bool, paths: Paths) -> str:
    if is_mode:
        file.chmod(0o600)
        return f"{file} has mode 0600 now"
    said = f"{mending.set_aside(file, paths)}; " if os.path.lexists(file) else ""
    token.own(file)
    return f"{said}{file} holds a new token; start the service again"


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _is_ours(port: int, paths: Paths) -> bool:
    """Whether this project's service listens there: it runs in the folder of its Bento."""
    process = _listener(port)
    try:
        return process is not None and Path(process.cwd()).is_relative_to(paths.bentoml.resolve())
    except psutil.Error:
        return False


def _listener(port: int) -> psutil.Process | None:
    try:
        listening = [
            one.pid
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port
        ]
    except psutil.Error:
        return None
    return next((process for pid in listening if pid and (process := processes.found(pid))), None)
