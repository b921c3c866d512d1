"""Workers, supervisor and guard, killed for real under load: what a client received is in the log, once, and the
service comes back."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from projects import Project
from services import READY_WITHIN_S, Clients, Home, Running, is_running, json_rows, post, running

from accord.bundle.bundle import load_bundle

pytestmark = pytest.mark.slow
N_KILLS = int(os.environ.get("ACCORD_TEST_KILLS", "100"))
N_CLIENTS = 6


def requests_of(project: Project, bundle: Path) -> list[bytes]:
    rows = json_rows(project, load_bundle(bundle))
    bodies = [json.dumps({"rows": rows[i : i + 1 + i % 4]}).encode() for i in range(60)]
    return [post("/predict", body) for body in bodies]


def until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{[pid for pid in pids if is_running(pid)]} still run"
        time.sleep(0.05)


def victim(service: Running, dice: random.Random) -> int:
    """The process id of a worker or of the supervisor."""
    found: list[int] = []

    def there() -> bool:
        supervisor, workers = service.supervisor(), service.workers()
        found[:] = [*workers, *([supervisor] if supervisor else [])]
        return supervisor is not None and len(workers) == service.settings.workers

    service.until(there, "all processes are there")
    return dice.choice([found[-1], dice.choice(found[:-1])])


@pytest.mark.parametrize("workers", [1, 2])
def test_whatever_is_killed_each_received_prediction_is_in_the_log_once(
    packaged: Project, home: Home, released: dict[str, Path], workers: int
) -> None:
    dice = random.Random(workers)
    with running(packaged, home, {"workers": workers}) as service:
        with Clients(service.port, requests_of(packaged, released["lightgbm"]), N_CLIENTS) as clients:
            for _ in range(N_KILLS // 2):
                clients.until_more(50)
                os.kill(victim(service, dice), signal.SIGKILL)
                service.until_ready()
            clients.until_more(50)
        assert {reply.status for _, reply in clients.replies} == {200}
        log = home.predicted()
        ids = [row["prediction_id"] for _, reply in clients.replies for row in json.loads(reply.body)["rows"]]
        assert len(ids) == len(set(ids)) > 100 * N_KILLS / 2
        assert [i for i in ids if len(log.get(i, [])) != 1] == []
        assert clients.n_broken > 0
        print(
            f"{workers} workers: {N_KILLS // 2} kills, {len(ids)} predictions received, {len(log)} logged, {clients.n_broken} connections broken"
        )


def test_a_killed_guard_takes_everything_with_it_and_the_port_is_free_again(
    packaged: Project, home: Home, released: dict[str, Path]
) -> None:
    with running(packaged, home, {"workers": 2}) as service:
        requests, settings = requests_of(packaged, released["lightgbm"]), service.settings
        with Clients(service.port, requests, N_CLIENTS) as clients:
            clients.until_more(200)
            victim(service, random.Random(1))
            pids = [service.supervisor() or 0, *service.workers()]
            service.guard.kill()
            until_gone(pids)
        ids = [row["prediction_id"] for _, reply in clients.replies for row in json.loads(reply.body)["rows"]]
        assert {reply.status for _, reply in clients.replies} == {200}
        assert {len(home.predicted()[i]) for i in ids} == {1}
    with running(packaged, home, {"port": settings.port}) as again:
        assert again.port == settings.port
        with Clients(again.port, requests, N_CLIENTS) as clients:
            clients.until_more(50)
        assert {reply.status for _, reply in clients.replies} == {200}


def test_a_stop_in_good_order_ends_every_request_and_every_process(
    packaged: Project, home: Home, released: dict[str, Path]
) -> None:
    with running(packaged, home, {"workers": 2}) as service:
        with Clients(service.port, requests_of(packaged, released["lightgbm"]), N_CLIENTS) as clients:
            clients.until_more(200)
            victim(service, random.Random(1))
            pids = [service.supervisor() or 0, *service.workers()]
            service.guard.terminate()
            assert service.guard.wait(READY_WITHIN_S) == 0
        until_gone(pids)
        log = home.predicted()
        ids = [row["prediction_id"] for _, reply in clients.replies for row in json.loads(reply.body)["rows"]]
        assert {reply.status for _, reply in clients.replies} == {200}
        assert {len(log[i]) for i in ids} == {1}
        assert len(log) == len(ids)  # nothing was logged that no client received
