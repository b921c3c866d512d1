"""Every flight of June, asked of the service, is answered with the bits of the pipeline."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import polars as pl
import pytest
from projects import Project

from accord.bundle.bundle import as_json_row

N_ROWS_A_REQUEST = 1000
N_ALONE = 300

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def flights(new_project: Callable[[], Project]) -> Project:
    """A project that ran as it ships."""
    project = new_project()
    project.run("accord", "run")
    return project


@pytest.fixture(scope="module")
def client(flights: Project, serve: Any) -> Iterator[httpx.Client]:
    with serve(flights) as client:
        yield client


@pytest.fixture(scope="module")
def june(flights: Project) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each scored flight of June: the row as a request carries it, and what the pipeline predicted and decided."""
    columns = list(json.loads(flights.read("models/bundle/contract.json"))["columns"])
    pairs = []
    for split in ("test", "holdout"):
        rows = pl.read_parquet(flights.root / f"data/splits/{split}/*.parquet")
        predictions = pl.read_parquet(flights.root / f"data/predictions/{split}.parquet")
        assert rows.height == predictions.height
        in_june = rows["month"] == 6
        rows, predictions = rows.filter(in_june).select(columns), predictions.filter(in_june)
        pairs += [(as_json_row(rows, i), predictions.row(i, named=True)) for i in range(rows.height)]
    assert len(pairs) > 25_000
    return pairs


def ask(client: httpx.Client, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = client.post("/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    return [
        {**row["predictions"], "score": row["score"], "action": row["action"]}
        for row in answer.json()["rows"]
    ]


def test_every_flight_of_june_is_answered_with_the_bits_of_the_pipeline(client: httpx.Client, june: list):
    for start in range(0, len(june), N_ROWS_A_REQUEST):
        part = june[start : start + N_ROWS_A_REQUEST]
        assert ask(client, [row for row, _ in part]) == [expected for _, expected in part]


def test_flights_asked_one_by_one_get_the_same_bits(client: httpx.Client, june: list):
    for row, expected in june[:: len(june) // N_ALONE][:N_ALONE]:
        assert ask(client, [row]) == [expected]
