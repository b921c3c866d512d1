"""Clients for programs: what breaks the contract is refused before it is sent, and answers are what the service answers."""

import asyncio
import inspect
import json
import subprocess
import sys
from typing import Any

import httpx
import polars as pl
import pytest
from projects import Project

from accord.client import AsyncClient, Calls, Client, ServiceError, Steps
from accord.serving.answers import Answers, Readiness


@pytest.fixture
def client(service: httpx.Client):
    with Client(str(service.base_url)) as client:
        yield client


@pytest.fixture
def row(service: httpx.Client) -> dict[str, Any]:
    return service.get("/contract").json()["examples"][0]["rows"][0]


@pytest.fixture
def contract(service: httpx.Client) -> dict[str, Any]:
    return service.get("/contract").json()


def test_answers_are_those_of_the_service(client: Client, service: httpx.Client, row: dict[str, Any]):
    raw = service.post("/predict", json={"rows": [row]}).json()
    [one], many = client.predict(row).rows, client.predict([row, row])
    assert many.model == raw["model"]
    assert len(many.rows) == 2
    for answer in (one, *many.rows):
        assert answer.predictions == raw["rows"][0]["predictions"]
        assert answer.warnings == raw["rows"][0]["warnings"]
    assert len({answer.prediction_id for answer in (one, *many.rows)}) == 3


def test_rows_may_be_objects_of_the_contracts_type(client: Client, row: dict[str, Any]):
    row_type = client.row_type()
    assert set(row) <= set(row_type.__struct_fields__)
    assert client.predict(row_type(**row)).rows[0].predictions == client.predict(row).rows[0].predictions
    with pytest.raises(TypeError, match="surprise"):
        row_type(**row, surprise=1)
    with pytest.raises(ServiceError, match=r"rows\[0\].distance: "):
        client.predict(row_type(**{**row, "distance": "far"}))


def test_a_table_goes_both_ways_with_the_same_bits(client: Client, packaged: Project, row: dict[str, Any]):
    rows = pl.read_parquet(packaged.root / "data/splits/test/*.parquet").select(list(row))
    expected = pl.read_parquet(packaged.root / "data/predictions/test.parquet")
    answered = client.predict_table(rows)
    assert answered.select(expected.columns).equals(expected)
    assert answered["prediction_id"].n_unique() == rows.height
    with pytest.raises(ServiceError, match="surprise"):
        client.predict_table(rows.with_columns(surprise=1))


def test_contributions_come_with_the_predictions(client: Client, row: dict[str, Any]):
    [explained] = client.explain(row).rows
    assert explained.predictions == client.predict(row).rows[0].predictions
    assert sum(explained.contributions["delay_minutes"].values()) == pytest.approx(
        explained.predictions["delay_minutes"], rel=1e-6
    )


def test_the_rest_of_the_service_is_asked_too(client: Client, service: httpx.Client):
    assert client.model() == service.get("/model").json()
    assert client.contract() == service.get("/contract").json()
    assert client.policy() == service.get("/policy").json()
    assert client.ready() == Readiness(True, [])
    with pytest.raises(ServiceError) as refused:
        client.set_weights({"w": 0.5}, reason="a quiet month")
    assert refused.value.status in (401, 403)
    assert "\n" not in refused.value.reason


def test_the_awaited_client_has_the_same_methods_and_answers(service: httpx.Client, row: dict[str, Any]):
    async def three() -> list[Answers]:
        async with AsyncClient(str(service.base_url)) as client:
            assert (await client.ready()).ready
            return await asyncio.gather(*(client.predict(row) for _ in range(3)))

    assert len({json.dumps(dict(answers.rows[0].predictions)) for answers in asyncio.run(three())}) == 1
    methods = [
        {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }
        for kind in (Client, AsyncClient)
    ]
    assert methods[0] == methods[1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"surprise": 1}, "rows[1].surprise: is no field"),
        ({"distance": "8.5"}, "rows[1].distance: "),
        ({"distance": -0.1}, "rows[1].distance: "),
        ({"rain": float("nan")}, "rows[1].rain: found nan"),
        ({"station": "moon"}, "rows[1].station: "),
        ({"booked_at": "yesterday"}, "rows[1].booked_at: "),
        ({"seats": None}, "rows[1].seats: "),
    ],
    ids=str,
)
def test_what_breaks_the_contract_is_never_sent(
    contract: dict[str, Any], row: dict[str, Any], change: dict[str, Any], expected: str
):
    steps = Calls(None).predict([row, row | change])
    with pytest.raises(ServiceError) as refused:
        through(steps, "/contract", contract)
    assert expected in refused.value.reason
    assert refused.value.status == 422


def test_a_missing_field_is_never_sent(contract: dict[str, Any], row: dict[str, Any]):
    del row["seats"]
    with pytest.raises(ServiceError, match=r"^rows\[0\].seats: is missing$"):
        through(Calls(None).predict(row), "/contract", contract)


def through(steps: Steps[Any], *answers: Any) -> Any:
    """The result of steps that ask for these paths, each followed by the answer to it."""
    ask = next(steps)
    for i in range(0, len(answers), 2):
        path, answer = answers[i : i + 2]
        assert ask.path == path
        response = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
        response.request = httpx.Request(ask.method, f"http://service{ask.path}")
        try:
            ask = steps.send(response)
        except StopIteration as done:
            assert i + 2 == len(answers)
            return done.value
    raise AssertionError(f"{ask.path} was asked for too")


def answer_of(model: str) -> dict[str, Any]:
    answer = {
        "prediction_id": "1",
        "predictions": {"late": None},
        "score": None,
        "action": None,
        "warnings": [],
    }
    return {"model": model, "rows": [answer]}


def another(contract: dict[str, Any]) -> dict[str, Any]:
    """The contract of another model, which takes the wind too and not the rain."""
    columns = {name: c for name, c in contract["x-accord"]["columns"].items() if name != "rain"}
    columns["wind"] = contract["x-accord"]["columns"]["rain"]
    return contract | {"x-accord": contract["x-accord"] | {"model": "another", "columns": columns}}


def test_a_contract_that_has_changed_is_read_again(contract: dict[str, Any], row: dict[str, Any]):
    model = contract["x-accord"]["model"]
    calls = Calls(None)
    assert through(calls.predict(row), "/contract", contract, "/predict", answer_of(model)).model == model
    del row["rain"]
    # A field of the new contract, which the known one refuses
    wind = row | {"wind": 3.0}
    answers = ("/contract", another(contract), "/predict", answer_of("another"))
    assert through(calls.predict(wind), *answers).model == "another"
    # No field of either
    with pytest.raises(ServiceError, match="surprise"):
        through(calls.predict(row | {"surprise": 1}), "/contract", another(contract))


def test_rows_that_the_service_refuses_are_sent_once_more_only_if_the_contract_has_changed(
    contract: dict[str, Any], row: dict[str, Any]
):
    model = contract["x-accord"]["model"]
    refused = httpx.Response(422, json={"error": "rows[0]: breaks the rule members_ride_near"})
    calls = Calls(None)
    through(calls.predict(row), "/contract", contract, "/predict", answer_of(model))
    with pytest.raises(ServiceError, match="members_ride_near"):
        through(calls.predict(row), "/predict", refused, "/contract", contract)
    del row["rain"]
    answers = ("/predict", refused, "/contract", another(contract), "/predict", answer_of("another"))
    assert through(calls.predict(row), *answers).model == "another"


def test_the_contract_is_read_again_when_another_model_has_answered(
    contract: dict[str, Any], row: dict[str, Any]
):
    calls = Calls(None)
    through(calls.predict(row), "/contract", contract, "/predict", answer_of("another"))
    del row["rain"]
    through(calls.predict(row), "/contract", another(contract), "/predict", answer_of("another"))


def test_the_token_goes_with_changes_of_the_policy_alone():
    calls = Calls("secret")
    ask = next(calls.set_weights({"w": 0.4}, "why"))
    assert ask.headers["authorization"] == "Bearer secret"
    assert json.loads(ask.body) == {"weights": {"w": 0.4}, "reason": "why"}
    assert "authorization" not in next(calls.policy()).headers


def test_a_service_that_is_not_ready_says_why():
    not_logging = httpx.Response(503, json={"ready": False, "problems": ["the disk is full"]})
    assert through(Calls(None).ready(), "/readyz", not_logging) == Readiness(False, ["the disk is full"])
    starting = httpx.Response(503, json={"error": "the service is starting"})
    assert through(Calls(None).ready(), "/readyz", starting) == Readiness(False, ["the service is starting"])


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(502, text="<html>\n<h1>Bad gateway</h1>\n</html>"),
        httpx.Response(200, text="<html>\nwelcome</html>"),
        httpx.Response(200, json={"openapi": "3"}),
    ],
    ids=["502", "page", "other"],
)
def test_a_client_says_in_one_line_that_a_url_is_no_service_of_accord(response: httpx.Response):
    with pytest.raises(ServiceError) as refused:
        through(Calls(None).row_type(), "/contract", response)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid", "127.0.0.1:9"])
def test_where_nothing_answers_one_line_says_so(url: str):
    with Client(url) as client, pytest.raises(ServiceError) as refused:
        client.predict({})
    assert url in refused.value.reason
    assert "\n" not in refused.value.reason
    assert refused.value.status is None


def test_importing_the_client_imports_neither_polars_nor_bentoml():
    script = "import sys, accord.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"polars", "numpy", "bentoml", "starlette"} & set(done.stdout.split())
