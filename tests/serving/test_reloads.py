"""A thousand champions one after the other under load: each answer comes wholly from the model that it names."""

import json
import os
import random
from pathlib import Path

import pytest
from projects import Project
from services import Clients, Home, json_rows, memory_mb, post, running
from shipped import shipped

from accord.bundle.bundle import load_bundle
from accord.schema.serving import Serving
from accord.serving.engine import Engine
from accord.traffic.pii import Pseudonyms

pytestmark = pytest.mark.slow
N_RELOADS = int(os.environ.get("ACCORD_TEST_RELOADS", "1000"))
GROWTH_MB = 24.0
"""An engine takes about a megabyte: if one in forty stayed, this would not be enough."""


def test_a_thousand_champions_fail_no_request_mix_no_answer_and_leave_no_memory_behind(
    packaged: Project, home: Home, released: dict[str, Path], tmp_path: Path
) -> None:
    loaded = {folder.name: load_bundle(folder) for folder in released.values()}
    rows = json_rows(packaged, next(iter(loaded.values())))
    asked = [rows[i : i + (1, 1, 3, 200)[i % 4]] for i in range(40)]  # by the quick path, and by threads
    expected = {}
    for model_id, bundle in loaded.items():
        engine = Engine.of(bundle, shipped(Serving), lambda: Pseudonyms(tmp_path))
        for i, part in enumerate(asked):
            answers = engine.answer(engine.decoder.rows(json.dumps({"rows": part}).encode()))
            expected[model_id, i] = [(a.predictions, a.score, a.action) for a in answers]
    dice, current, memory = random.Random(1), home.champion(), 0.0
    with running(packaged, home) as service:
        workers = service.workers()
        requests = [post("/predict", json.dumps({"rows": part}).encode()) for part in asked]
        with Clients(service.port, requests, n_clients=4, pause_s=0.01) as clients:
            for i in range(N_RELOADS):
                current = dice.choice([model_id for model_id in loaded if model_id != current])
                home.name_champion(current)
                service.until_model(current)
                if i == N_RELOADS // 4:
                    memory = memory_mb(workers[0])
            clients.until_more(10)
        grown = memory_mb(workers[0]) - memory
        assert service.workers() == workers
        assert service.metrics()["accord_reloads_total"] == N_RELOADS + 1
        assert service.client.get("/readyz").json()["problems"] == []
    assert clients.n_broken == 0
    assert {reply.status for _, reply in clients.replies} == {200}
    seen = dict.fromkeys(loaded, 0)
    for which, reply in clients.replies:
        answer = json.loads(reply.body)
        found = [(row["predictions"], row["score"], row["action"]) for row in answer["rows"]]
        assert found == expected[answer["model"], which]
        seen[answer["model"]] += 1
    assert min(seen.values()) > N_RELOADS / 10
    print(f"{N_RELOADS} reloads, {len(clients.replies)} answers, {grown:.1f} MB more")
    assert grown < GROWTH_MB
