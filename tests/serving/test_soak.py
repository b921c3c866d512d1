"""Minutes at half of what the service can do leave its memory as it was."""

import json
import os
import time
from pathlib import Path

import pytest
from projects import Project
from services import Clients, Home, json_rows, memory_mb, post, running

from accord.bundle.bundle import load_bundle

pytestmark = pytest.mark.slow
SECONDS = float(os.environ.get("ACCORD_TEST_SOAK", "600"))
N_CLIENTS, SATURATION_S = 8, 5.0
GROWTH_MB = 8.0


def test_memory_stays_flat_at_half_the_saturation_rate(
    packaged: Project, home: Home, released: dict[str, Path]
) -> None:
    rows = json_rows(packaged, load_bundle(released["lightgbm"]))
    requests = [
        post("/predict", json.dumps({"rows": rows[i : i + (1, 1, 1, 5)[i % 4]]}).encode()) for i in range(200)
    ]
    with running(packaged, home) as service:
        processes = [*service.workers(), service.supervisor() or 0]
        with Clients(service.port, requests, N_CLIENTS) as clients:
            time.sleep(SATURATION_S)
        saturation = len(clients.replies) / SATURATION_S
        pause_s, n_sent, memory = 1.5 * N_CLIENTS / saturation, 0, []
        for _ in range(10):
            with Clients(service.port, requests, N_CLIENTS, pause_s) as clients:
                time.sleep(SECONDS / 10)
            assert {reply.status for _, reply in clients.replies} == {200}
            assert clients.n_broken == 0
            n_sent += len(clients.replies)
            memory.append([round(memory_mb(process), 1) for process in processes])
        assert service.client.get("/readyz").json()["problems"] == []
    print(
        f"{n_sent:,} requests in {SECONDS:.0f} s, {saturation:.0f}/s at saturation; MB of worker and supervisor: {memory}"
    )
    grown = [last - first for first, last in zip(memory[0], memory[-1], strict=True)]
    assert max(grown) < GROWTH_MB
