"""What processes connect to, as the kernel is asked for it: strace follows them and all that they start."""

import ipaddress
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ADDRESS = re.compile(r'sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?"([0-9a-fA-F.:]+)"')
RESOLVER = "systemd/resolve"
"""In the path of the local socket where names can be looked up too."""
DNS = 53


def traced(trace: Path) -> list[str]:
    """Words in front of a command, whose connections are then in the file."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt-get install strace")
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    return ["strace", "--follow-forks", "--seccomp-bpf", "-qqq", "-s", "0", "-e", calls, "-o", str(trace)]


def off_the_machine(trace: Path) -> list[str]:
    """The traced calls that were meant for other machines. A look-up of a name is one, even of a resolver on this machine."""
    lines = trace.read_text(errors="replace").splitlines()
    return [line for line in lines if RESOLVER in line or any(map(_is_elsewhere, ADDRESS.findall(line)))]


def _is_elsewhere(found: tuple[str, str]) -> bool:
    port, address = found
    return int(port) == DNS or not ipaddress.ip_address(address).is_loopback


def run(trace: Path, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code of a traced command and what it prints, once it and all that it started have ended."""
    done = subprocess.run(
        [*traced(trace), *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr
