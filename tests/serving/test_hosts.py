"""What requests may call a service."""

import pytest
from shipped import shipped

from accord.schema.serving import Serving
from accord.serving.hosts import Hosts
from accord.serving.refusals import RefusedError


def refused(hosts: Hosts, header: str | None) -> int | None:
    try:
        hosts.check(None if header is None else header.encode())
    except RefusedError as error:
        return None if "\n" in error.reason else error.status
    return None


def test_a_service_is_called_by_its_own_names_only() -> None:
    hosts = Hosts(["api.example.org"], "10.0.0.5", 3000)
    for name in ("localhost", "127.0.0.1", "[::1]", "api.example.org", "10.0.0.5"):
        for header in (name, f"{name}:3000", f"{name}:8080", name.upper()):
            assert refused(hosts, header) is None, header
    for header in ("evil.example", "evil.example:3000", "localhost.evil.example", "localhost@evil.example", "evil.example/localhost",
                   "10.0.0.6", "169.254.169.254", "", ":3000", "[::1", "[evil]", "localhost:x", "a\x00b", "\xff" * 300, "api.example.org.evil"):  # fmt: skip
        assert refused(hosts, header) == (None if header == "[::1" else 421), header
    assert refused(hosts, None) == 400


def test_a_service_on_all_addresses_may_be_called_by_any_address_but_by_no_other_name() -> None:
    for host in ("0.0.0.0", "::"):
        hosts = Hosts([], host, 3000)
        for header in ("10.1.2.3:3000", "[fe80::1]:3000", "localhost"):
            assert refused(hosts, header) is None, header
        assert refused(hosts, "evil.example:3000") == 421


def test_a_star_lets_requests_call_it_anything() -> None:
    assert refused(Hosts(["*"], "127.0.0.1", 3000), "evil.example") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("hosts", "a.example:80"), ("hosts", "http://a"), ("hosts", ""), ("proxies", "10.0.0.1/8"), ("proxies", "proxy"), ("proxies", "")],
)  # fmt: skip
def test_settings_that_no_request_could_match_are_refused(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=key):
        shipped(Serving, **{key: [value]})
