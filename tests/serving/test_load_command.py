"""`accord load` asks at its own pace, and tells latency from when each request was due."""

import asyncio
from pathlib import Path

import httpx
import pytest
from projects import Project

from accord import cli
from accord.commands.load import as_text
from accord.driving.load import GOOD, Load, Run

REQUEST = b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
STALL_S = 0.4


def test_a_service_is_loaded_at_the_rate_that_was_asked(
    packaged: Project, service: httpx.Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):  # fmt: skip
    words = ("--rate", "100", "--for", "0.5", "--rows-per-request", "3")
    monkeypatch.chdir(packaged.root)
    cli.main(["load", "--url", str(service.base_url), *words])
    asked, answered, latency, *rest = capsys.readouterr().out.splitlines()
    assert asked.startswith("asked       100 requests/s for 0.5 s")
    assert "50 requests in" in answered
    assert all(name in latency for name in ("p50", "p90", "p99", "p99.9", "max"))
    assert not [line for line in rest if line.startswith("not ")]


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


async def through(load: Load, *answers: bytes) -> Load:
    """The load on a server that gives these answers in turn, an end of the connection for an empty one, and that stalls
    once for a while."""
    turn, n = asyncio.Lock(), 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n
        given = b"some"
        while given and await reader.read(len(REQUEST)):
            async with turn:
                n += 1
                if n == 5:
                    await asyncio.sleep(STALL_S)
            given = answers[n % len(answers)]
            writer.write(given)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await Run(load, [REQUEST], "127.0.0.1", port).through(lambda load: None)
    return load


@pytest.mark.parametrize("connections", [1, 4, 100])
def test_a_stall_counts_for_every_request_that_was_due_meanwhile(connections: int):
    load = asyncio.run(through(Load(100, 1, connections), http(200, b"{}")))
    assert load.answers == {GOOD: 100}
    assert len(load.latencies_s) == 100
    # 40 requests are due while the server stalls; the one that is due when half of it is over waits for the other half.
    assert sum(latency >= STALL_S / 2 for latency in load.latencies_s) >= 20
    assert max(load.latencies_s) >= STALL_S


def test_requests_that_found_no_connection_in_time_are_reported_and_their_wait_counts(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("accord.driving.load.GRACE_S", 0.0)
    load = asyncio.run(through(Load(100, 0.2, 1), http(200, b"{}")))
    assert load.n_unsent == 15
    assert load.answers == {GOOD: 5}
    assert len(load.latencies_s) == 20
    assert "15 never sent" in as_text(load)


def test_errors_are_reported_by_status_with_a_reason():
    full = http(503, b'{"error": "the disk is full"}')
    load = asyncio.run(through(Load(200, 0.2, 8), http(200, b"{}"), full, b"", http(404, b"<p>\nno</p>")))
    assert load.answers == {GOOD: 10, "503": 10, "404": 10, "no answer": 10}
    assert len(load.latencies_s) == 10
    text = as_text(load)
    assert "10 x 503: the disk is full" in text
    assert "10 x 404: <p> no</p>" in text
    assert "10 x no answer" in text


def test_a_client_that_was_too_slow_says_so():
    in_time = Load(100, 1, 1, [0.01] * 100, elapsed_s=1, cpu_s=0.1, late_s=[0.0002] * 90)
    late = Load(100, 1, 1, [0.01] * 100, elapsed_s=1, cpu_s=0.1, late_s=[0.005] * 90)
    busy = Load(100, 1, 1, [0.01] * 100, elapsed_s=1, cpu_s=0.97, late_s=[0.0002] * 90)
    assert ["did not keep time" in as_text(load) for load in (in_time, late, busy)] == [False, True, True]


def test_without_a_service_one_line_says_so(
    packaged: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert "No service answers at http://127.0.0.1:9" in refusal(monkeypatch, packaged.root, capsys)


def test_without_rows_one_line_says_so(
    service: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):  # fmt: skip
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    assert "data/splits/test" in refusal(monkeypatch, tmp_path, capsys, "--url", str(service.base_url))


@pytest.mark.parametrize(
    "words",
    [
        ("--url", "https://127.0.0.1:3000"),
        ("--url", "here"),
        ("--url", "http://here:there"),
        ("--connections", "5000"),
    ],
    ids=str,
)
def test_what_can_not_be_done_is_refused_in_one_line(
    packaged: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str]
):
    assert "expected" in refusal(monkeypatch, packaged.root, capsys, *words)


def refusal(
    monkeypatch: pytest.MonkeyPatch, root: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> str:
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit) as ended:
        cli.main(["load", "--url", "http://127.0.0.1:9", "--rate", "10", "--for", "1", *words])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("accord: ")
    return line


@pytest.mark.parametrize(
    "words", [("--rate", "0"), ("--for", "-1"), ("--rate", "nan"), ("--connections", "0")], ids=str
)
def test_what_is_not_above_zero_is_refused(capsys: pytest.CaptureFixture[str], words: tuple[str]):
    with pytest.raises(SystemExit) as ended:
        cli.main(["load", "--rate", "10", "--for", "1", *words])
    assert ended.value.code == 2
    assert "is not a number above 0" in capsys.readouterr().err
