"""Where a service can listen is found out before it starts."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from projects import Project, program
from shipped import shipped

from accord.errors import AccordError
from accord.schema.serving import Serving
from accord.serving import listening

NEVER_OURS = "203.0.113.7"
"""Of a network that is kept for documentation."""


def test_a_busy_port_is_refused_with_the_next_one_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(AccordError, match=f"^Port {port} of 127.0.0.1 is in use; .* --port ") as error:
            listening.address("127.0.0.1", port)
        named = int(str(error.value).rpartition("--port ")[2].split(",")[0])
        assert port < named <= port + listening.N_PORTS
        assert listening.address("127.0.0.1", named) == "127.0.0.1"
    assert listening.address("127.0.0.1", port) == "127.0.0.1"


def test_a_port_of_closed_connections_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    assert listening.address("127.0.0.1", port) == "127.0.0.1"


@pytest.mark.parametrize("port", [0, -1, 65_536, 99_999])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(AccordError, match=f"^Port {port} is none; expected 1 to 65535"):
        listening.address("127.0.0.1", port)


@pytest.mark.parametrize("host", [NEVER_OURS, "no.such.host.invalid", "a b", "[::1]", "x" * 300, "ü" * 70])
def test_a_host_that_is_not_this_machines_is_refused_in_one_line(host: str) -> None:
    with pytest.raises(
        AccordError, match=r"^Can't listen on .*; expected an address of this machine"
    ) as error:
        listening.address(host, 4711)
    assert "\n" not in str(error.value)


def test_a_name_becomes_its_address_and_requests_may_call_the_service_by_it() -> None:
    settings = shipped(Serving, host="localhost", port=_free())
    chosen = listening.checked(settings)
    assert chosen.host in ("127.0.0.1", "::1")
    assert "localhost" in chosen.hosts


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_port_that_is_not_for_this_user_is_refused() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if lowest <= 1:
        pytest.skip("this machine lets anybody listen on any port")
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        try:
            listening.address("127.0.0.1", 80 if lowest > 80 else 1)
        except AccordError as error:
            os._exit(0 if "is not for this user" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_serve_checks_the_port_before_anything_starts(packaged: Project) -> None:
    def served(*words: str) -> str:
        done = subprocess.run(
            [program("accord"), "serve", *words], cwd=packaged.root, env=packaged.environment, capture_output=True, text=True
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stdout == ""
        [line] = done.stderr.splitlines()
        return line

    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert served("--port", str(port)).startswith(f"accord: Port {port} of 127.0.0.1 is in use; ")
    assert served("--port", "99999").startswith("accord: Port 99999 is none")
    assert served("--host", NEVER_OURS).startswith(f"accord: Can't listen on {NEVER_OURS}")


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
