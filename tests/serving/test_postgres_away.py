"""Postgres is away for a minute while the service is asked: nothing is lost, and nothing is there twice."""

import json
import os
import time
from pathlib import Path

import pytest
from postgres_server import started
from projects import Project
from services import Clients, Home, json_rows, post, running

from accord.bundle.bundle import load_bundle
from accord.schema.serving import Postgres
from accord.traffic.compaction import compact
from accord.traffic.reading import scan_predictions

pytestmark = pytest.mark.slow
AWAY_S = float(os.environ.get("ACCORD_TEST_AWAY", "60"))


def test_what_is_answered_while_postgres_is_away_is_in_it_once_afterwards(
    packaged: Project, home: Home, released: dict[str, Path]
) -> None:
    rows = json_rows(packaged, load_bundle(released["lightgbm"]))
    requests = [post("/predict", json.dumps({"rows": rows[i : i + 3]}).encode()) for i in range(60)]
    with started() as server:
        postgres = Postgres(url=server.url, table="accord_predictions")
        traffic = {"segment_seconds": 2, "postgres": postgres.model_dump()}
        with running(packaged, home, {"workers": 2, "traffic": traffic}) as service:
            with Clients(service.port, requests, n_clients=2, pause_s=0.02) as clients:
                clients.until_more(200)
                server.stop()
                time.sleep(AWAY_S)
                problems = service.client.get("/readyz").json()["problems"]
                assert ["Postgres can't be used" in problem for problem in problems] == [True]
                server.start()
                service.until(lambda: not service.client.get("/readyz").json()["problems"], "caught up")
                clients.until_more(50)
            assert {reply.status for _, reply in clients.replies} == {200}
            assert clients.n_broken == 0
        kept = compact(home.traffic, service.settings.traffic, wait_s=30)
        assert kept is not None
        assert kept.problem is None
        ids = [row["prediction_id"] for _, reply in clients.replies for row in json.loads(reply.body)["rows"]]
        found = scan_predictions(home.traffic, postgres=postgres).collect()["prediction_id"].to_list()
        assert sorted(found) == sorted(ids)
        assert not list((home.traffic / "segments").glob("*.jsonl"))
    print(f"{len(ids)} predictions, Postgres away for {AWAY_S:g} s")
