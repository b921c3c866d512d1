"""The service's token: ACCORD_TOKEN or, on a loopback address, one of the project's own in .accord/token.

Only its user may read that file: a page in a browser of the same machine can send requests to the service, but has no
token.
"""

import fcntl
import os
import re
import secrets
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from accord.errors import AccordError
from accord.files import replacing
from accord.serving.handover import TOKEN_VARIABLE
from accord.terminal import complain

N_BYTES = 32
_FORM = re.compile(rb"[\x21-\x7e]+")
"""What goes into a header as it is."""


def token_for(url: str, file: Path) -> str | None:
    """The token for the service at this address; the project's own, in this file, goes to a loopback address only. None if
    there is none. Raises AccordError for a file that can't be trusted."""
    given = os.environ.get(TOKEN_VARIABLE)
    if given:
        return given
    return _read(file) if is_loopback(urlsplit(url).hostname or "") else None


def own(file: Path) -> str:
    """The project's own token in this file, which is made when it is first needed, and stays. Raises AccordError if it
    can't be kept."""
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchmod(folder, 0o700)
            fcntl.flock(folder, fcntl.LOCK_EX)  # of services that start at once one makes it, and all have it
            return _read(file) or _made(file)
        finally:
            os.close(folder)
    except OSError as error:
        raise AccordError(
            f"{file}, which holds the service's token, can't be written: {error.strerror}; correct that, or set {TOKEN_VARIABLE}"
        ) from error


def problem(file: Path) -> str | None:
    """Why the file can't be trusted as it is; None if it can, or isn't there. Nothing is changed, unlike where it is read."""
    try:
        found = file.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"can't be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "is a link" if stat.S_ISLNK(found.st_mode) else "is no file"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    if found.st_mode & 0o077:
        return f"has mode {stat.S_IMODE(found.st_mode):04o}: other users can read it"
    if not found.st_mode & 0o400:
        return f"has mode {stat.S_IMODE(found.st_mode):04o}: its owner can't read it"
    content = file.read_bytes().strip()
    if not content:
        return "is empty"
    return None if _FORM.fullmatch(content) else "holds something else than a token"


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a service on this host.

    >>> [is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost")]
    [True, True, True, True]
    >>> [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "")]
    [False, False, False, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _read(path: Path) -> str | None:
    try:
        with open(path, "rb", opener=_unfollowed) as file:
            return _trusted(file, path).read().decode("ascii", "replace").strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        what = "is a link" if path.is_symlink() else f"can't be read: {error.strerror}"
        raise _untrusted(path, what) from error


def _unfollowed(path: str, _: int) -> int:
    """Opens the file itself: follows no link, and waits for no writer of a pipe."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _trusted(file: BinaryIO, path: Path) -> BinaryIO:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise _untrusted(path, "is no file")
    if status.st_uid != os.geteuid():
        raise _untrusted(path, "belongs to another user")
    if status.st_mode & 0o077:
        os.fchmod(file.fileno(), 0o600)
        complain(
            f"accord: other users could read {path}; now they can't. If one may have, delete it and start the service again"
        )
    return file


def _made(path: Path) -> str:
    made = secrets.token_urlsafe(N_BYTES)
    with replacing(path) as temporary:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "w") as file:
            file.write(f"{made}\n")
            file.flush()
            os.fsync(file.fileno())
    return made


def _untrusted(path: Path, what: str) -> AccordError:
    return AccordError(
        f"{path} {what}; expected a file of this user, with the service's token. Remove it and start the service again, "
        f"which makes another, or set {TOKEN_VARIABLE}"
    )
