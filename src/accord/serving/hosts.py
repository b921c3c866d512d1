"""The hosts that requests may name. A page of another site can have a browser send requests here under a name of its own
whose address it has changed to this machine's (DNS rebinding); such a request carries that name in the header Host."""

from collections.abc import Sequence
from ipaddress import ip_address

from accord.serving.refusals import RefusedError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY = "*"
MAX_QUOTED = 100


class Hosts:
    """Those of the settings, names of this machine's loopback, and the one that the service listens on. A service that
    listens on all addresses may be named by any address, which is no name that anybody could have changed."""

    def __init__(self, allowed: Sequence[str], host: str, port: int) -> None:
        names = {name.lower() for name in (*allowed, *LOOPBACK, host)}
        self._names = names
        self._takes_any = ANY in allowed
        self._takes_addresses = _is_of_all(host)
        written = {f"[{name}]" if ":" in name else name for name in names}
        self._headers = {form.encode() for name in written for form in (name, f"{name}:{port}")}
        """How most clients write it."""

    def check(self, header: bytes | None) -> None:
        """Raises RefusedError for a host that is not among them."""
        if header in self._headers or self._takes_any:
            return
        if header is None:
            raise RefusedError(400, "the request has no header Host")
        name = _name(header.decode("latin-1"))
        if name not in self._names and not (self._takes_addresses and _is_address(name)):
            raise RefusedError(
                421,
                f"this service is not called {name[:MAX_QUOTED]!r}; add the name to serving.hosts if it is",
            )


def _name(host: str) -> str:
    """A host without its port, in small letters, an address of version 6 without its brackets.

    >>> [_name(host) for host in ("Localhost:3000", "[::1]:80", "[::1]", "a.example.", "a:b:c")]
    ['localhost', '::1', '::1', 'a.example', 'a:b:c']
    """
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    without = name if port.isascii() and port.isdigit() and ":" not in name else host
    return without.removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_of_all(host: str) -> bool:
    return _is_address(host) and ip_address(host).is_unspecified
