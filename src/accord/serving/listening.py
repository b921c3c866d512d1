"""Whether a service can listen where it is to, found out before anything is started."""

import errno
import os
import socket

from accord.errors import AccordError
from accord.schema.serving import Serving

N_PORTS = 100
"""So many ports above a busy one are tried to name one that is free."""
MAX_PORT = 65535


def checked(settings: Serving) -> Serving:
    """The settings with an address for the host, which may be a name. Raises AccordError if a service can't listen there."""
    found = address(settings.host, settings.port)
    return settings.model_copy(update={"host": found, "hosts": [*settings.hosts, settings.host]})


def address(host: str, port: int) -> str:
    """The address of this host, if a service can listen there. Raises AccordError, which says what can be done."""
    if not 1 <= port <= MAX_PORT:
        raise AccordError(
            f"Port {port} is none; expected 1 to {MAX_PORT}. Give another: --port, or serving.port"
        )
    family, found = _resolved(host, port)
    problem = _problem(family, found, port)
    if problem is None:
        return found
    if problem == errno.EADDRINUSE:
        free = _next_free(family, found, port)
        instead = "" if free is None else f", such as --port {free}, which is free"
        raise AccordError(f"Port {port} of {host} is in use; end what uses it, or give another port{instead}")
    if problem in (errno.EACCES, errno.EPERM):
        raise AccordError(
            f"Port {port} of {host} is not for this user ({os.strerror(problem)}); give a port above 1023, or run a proxy there"
        )
    raise AccordError(
        f"Can't listen on {host} ({os.strerror(problem)}); expected an address of this machine. Give another: --host, or serving.host"
    )


def in_use(host: str, port: int) -> bool:
    """Whether something else listens there. Raises AccordError for a host that stands for no address."""
    return _problem(*_resolved(host, port), port) == errno.EADDRINUSE


def next_free(host: str, port: int) -> int | None:
    """The next port above on which a service can listen, if one is near."""
    return _next_free(*_resolved(host, port), port)


def _next_free(family: socket.AddressFamily, host: str, port: int) -> int | None:
    near = range(port + 1, min(port + N_PORTS, MAX_PORT) + 1)
    return next((other for other in near if _problem(family, host, other) is None), None)


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    """The address that a host stands for; BentoML takes addresses only."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AccordError(
            f"Can't listen on {host!r} ({reason}); expected an address of this machine. Give another: --host, or serving.host"
        ) from error
    return family, str(place[0])


def _problem(family: socket.AddressFamily, host: str, port: int) -> int | None:
    """The number of the error that listening there ends with."""
    with socket.socket(family) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as BentoML does: closed connections don't count
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            return error.errno
    return None
