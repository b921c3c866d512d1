"""The service of a real Bento answers as the pipeline predicts, and refuses what breaks the contract."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from projects import Project
from shipped import shipped

from accord.bundle.bundle import as_json_row
from accord.schema.serving import Serving

GOOD: dict[str, Any] = {
    "station": "north",
    "member": True,
    "distance": 8.5,
    "rain": 0.4,
    "bike": "bike 3",
    "seats": 2,
    "helmets": 1,
    "booked_at": "2024-03-01T10:00:00",
}


def ask(service: httpx.Client, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    answer = service.post("/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def refusal(answer: httpx.Response) -> str:
    """The reason of a request refused as the client's fault, with nothing of the server's inside."""
    assert 400 <= answer.status_code < 500, answer.text
    for inside in ("Traceback", 'File "', "site-packages", "accord/"):
        assert inside not in answer.text
    error = answer.json()["error"]
    assert error
    assert "\n" not in error
    return error


def rows_of(project: Project, split: str) -> list[dict[str, Any]]:
    names = list(json.loads(project.read("models/bundle/contract.json"))["columns"])
    frame = pl.read_parquet(project.root / f"data/splits/{split}/*.parquet").select(names)
    return [as_json_row(frame, i) for i in range(frame.height)]


def model_id(project: Project) -> str:
    return json.loads(project.read("models/bundle/manifest.json"))["model_id"]


def test_every_row_of_test_is_answered_with_the_bits_of_the_pipeline(
    packaged: Project, service: httpx.Client
):
    rows = rows_of(packaged, "test")
    answers = ask(service, *rows)
    expected = pl.read_parquet(packaged.root / "data/predictions/test.parquet").to_dicts()
    assert len(rows) == len(expected) > 300
    assert [answer["predictions"] for answer in answers] == expected


def test_a_row_alone_is_answered_with_the_bits_it_has_among_others(packaged: Project, service: httpx.Client):
    rows = rows_of(packaged, "test")[:40]
    together = [answer["predictions"] for answer in ask(service, *rows)]
    assert [ask(service, row)[0]["predictions"] for row in rows] == together


def test_ids_of_predictions_are_unique_and_sort_by_time(service: httpx.Client):
    ids = [answer["prediction_id"] for _ in range(5) for answer in ask(service, *[GOOD] * 200)]
    assert {uuid.UUID(each).version for each in ids} == {7}
    assert len(set(ids)) == 1000
    assert ids == sorted(ids)


def test_a_nullable_field_may_be_null_or_left_out_with_one_answer(service: httpx.Client):
    given = GOOD | {"rain": None, "member": None, "helmets": None, "booked_at": None}
    left_out = {name: value for name, value in given.items() if value is not None}
    first, second = ask(service, given, left_out)
    assert first["predictions"] == second["predictions"]


def test_a_whole_number_counts_with_or_without_a_point(service: httpx.Client):
    plain, pointed = ask(service, GOOD | {"seats": 2, "helmets": 1}, GOOD | {"seats": 2.0, "helmets": 1.0})
    assert plain["predictions"] == pointed["predictions"]
    for value in (2.5, 2.0**53, 1e300):  # no whole number, or maybe not the one that was meant
        answer = service.post("/predict", json={"rows": [GOOD, GOOD | {"seats": 2.0, "helmets": value}]})
        assert refusal(answer) == "rows[1].helmets: expected `int | null`, got `float`"


def test_an_instant_counts_in_whatever_zone_it_is_written(service: httpx.Client):
    instants = ("2024-03-01T10:00:00", "2024-03-01T10:00:00Z", "2024-03-01T12:00:00+02:00")
    answers = ask(service, *(GOOD | {"booked_at": instant} for instant in instants))
    assert len({json.dumps(answer["predictions"]) for answer in answers}) == 1


def test_an_unseen_level_is_answered_with_a_warning(service: httpx.Client):
    known, unseen = ask(service, GOOD, GOOD | {"bike": "Fahrrad Ü"})
    assert known["warnings"] == []
    [warning] = unseen["warnings"]
    assert "bike" in warning
    assert "Fahrrad Ü" in warning


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"surprise": 1}, "surprise"),
        ({"distance": "8.5"}, "float"),
        ({"distance": True}, "float"),
        ({"distance": None}, "null"),
        ({"distance": [8.5]}, "float"),
        ({"distance": -0.1}, ">= 0"),
        ({"distance": 100.1}, "<= 100"),
        ({"seats": 1.5}, "int"),
        ({"seats": 0}, ">= 1"),
        ({"member": 1}, "bool"),
        ({"member": "true"}, "bool"),
        ({"station": "moon"}, "moon"),
        ({"station": None}, "null"),
        ({"bike": 7}, "str"),
        ({"bike": {"id": 7}}, "str"),
        ({"booked_at": "yesterday"}, "RFC3339"),
        ({"booked_at": 1709287200}, "datetime"),
    ],
    ids=str,
)
def test_a_broken_field_is_refused_naming_row_and_field(
    service: httpx.Client, change: dict[str, Any], expected: str
):
    answer = service.post("/predict", json={"rows": [GOOD, GOOD | change]})
    assert answer.status_code == 422
    [field] = change
    error = refusal(answer)
    assert error.startswith(f"rows[1].{field}: ")
    assert expected in error


@pytest.mark.parametrize("field", ["station", "distance", "bike", "seats"])
def test_a_missing_field_is_refused_naming_row_and_field(service: httpx.Client, field: str):
    rest = {name: value for name, value in GOOD.items() if name != field}
    answer = service.post("/predict", json={"rows": [GOOD, GOOD, rest]})
    assert answer.status_code == 422
    assert refusal(answer) == f"rows[2].{field}: is missing"


@pytest.mark.parametrize("field", ["distance", "rain"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_finite_number_is_refused(service: httpx.Client, field: str, value: str):
    body = json.dumps({"rows": [GOOD | {field: "VALUE"}]}).replace('"VALUE"', value)
    answer = service.post("/predict", content=body, headers={"content-type": "application/json"})
    assert f"rows[0].{field}: " in refusal(answer)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30])
def test_an_integer_beyond_64_bits_is_refused(service: httpx.Client, value: int):
    assert "rows[0].helmets: " in refusal(
        service.post("/predict", json={"rows": [GOOD | {"helmets": value}]})
    )


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_an_instant_beyond_the_calendar_is_refused(service: httpx.Client, value: str):
    assert "rows[0].booked_at: " in refusal(
        service.post("/predict", json={"rows": [GOOD | {"booked_at": value}]})
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rows",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"rows": null}',
        b'{"rows": {}}',
        b'{"rows": 1}',
        b'{"rows": []}',
        b'{"rows": [1]}',
        b'{"rows": [null]}',
        b'{"rows": [[]]}',
        b'{"rows": [{}]}',
        b'{"rows": [{"station": "\xff"}]}',
        b'{"rows": [{"station": "\\ud800"}]}',
        b'{"rows": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        json.dumps({"rows": [GOOD] * 10_001}).encode(),
        json.dumps([GOOD]).encode(),
        json.dumps(GOOD).encode(),
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_a_malformed_request_is_the_clients_fault(service: httpx.Client, body: bytes):
    refusal(service.post("/predict", content=body, headers={"content-type": "application/json"}))
    ask(service, GOOD)


def test_other_methods_and_paths_are_the_clients_fault(service: httpx.Client):
    assert service.get("/predict").status_code == 405
    assert service.post("/predictions", json={}).status_code == 404
    refusal(
        service.post(
            "/predict", content=b"station,distance\nnorth,8.5\n", headers={"content-type": "text/csv"}
        )
    )


def test_the_documentation_shows_a_real_row_that_is_accepted_as_it_is(
    packaged: Project, service: httpx.Client
):
    document = service.get("/docs.json").json()
    content = resolved(document, "paths", "/predict", "post", "requestBody", "content", "application/json")
    rows = resolved(document, *content["schema"]["$ref"].removeprefix("#/").split("/"))["properties"]["rows"]
    [example] = content["example"]["rows"]
    assert example in rows_of(packaged, "test")
    ask(service, example)
    assert (rows["minItems"], rows["maxItems"]) == (1, 10_000)
    assert rows["items"]["properties"]["distance"]["maximum"] == 100
    assert rows["items"]["properties"]["station"]["enum"] == ["north", "south", "harbour"]
    assert set(rows["items"]["required"]) == {"station", "distance", "bike", "seats"}


def resolved(document: dict[str, Any], *path: str) -> dict[str, Any]:
    """The part of an OpenAPI document at a path, with a reference at its end followed."""
    part = document
    for name in path:
        part = part[name]
    if "$ref" in part:
        return resolved(document, *part["$ref"].removeprefix("#/").split("/"))
    return part


@pytest.mark.parametrize("endpoint", ["/healthz", "/livez", "/readyz", "/metrics", "/"])
def test_the_endpoints_of_operations_answer(service: httpx.Client, endpoint: str):
    assert service.get(endpoint).status_code == 200


def test_the_model_that_answers_is_named(packaged: Project, service: httpx.Client):
    manifest = service.get("/model").json()
    assert manifest == json.loads(packaged.read("models/bundle/manifest.json"))
    assert service.post("/predict", json={"rows": [GOOD]}).json()["model"] == manifest["model_id"]


def test_the_bento_holds_its_own_code_and_model_under_the_models_id(packaged: Project):
    assert packaged.run("accord", "package").stdout.split() == [f"accord:{model_id(packaged)}"]
    source = packaged.root / ".bentoml/bentos/accord" / model_id(packaged) / "src"
    for folder, kind in (("src/accord", "*.py"), ("models/bundle", "*")):
        own = contents(packaged.root / folder, kind)
        assert own
        assert contents(source / folder, kind) == own
    assert not list(source.rglob("*.pkl"))
    built = (source.parent / "bento.yaml").stat().st_mtime
    # A service that has run since wrote bytecode of its own.
    assert not [folder for folder in source.rglob("__pycache__") if folder.stat().st_mtime <= built]


def contents(folder: Path, kind: str) -> dict[str, bytes]:
    files = (path for path in folder.rglob(kind) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_packaging_again_takes_the_bento_that_is_there(packaged: Project):
    bento = packaged.root / ".bentoml/bentos/accord" / model_id(packaged) / "bento.yaml"
    before = bento.read_bytes(), bento.stat().st_mtime_ns
    packaged.run("accord", "package")
    assert (bento.read_bytes(), bento.stat().st_mtime_ns) == before


def test_the_service_runs_the_bentos_code_rather_than_the_projects(packaged: Project, service: httpx.Client):
    """What the server process loads lies in the Bento, so an edit in the project can't reach it."""
    loaded = {
        line.split()[-1]
        for maps in Path("/proc").glob("[0-9]*/cwd")
        if maps.exists() and (packaged.root / ".bentoml") in maps.resolve().parents
        for line in (maps.parent / "environ").read_text().split("\0")
        if line.startswith("PYTHONPATH=")
    }
    expected = (packaged.root / ".bentoml/bentos/accord" / model_id(packaged)).resolve() / "src/src"
    assert loaded == {f"PYTHONPATH={expected}"}


def imported(project: Project, tmp_path: Path, script: str) -> set[str]:
    """The packages that a Python process has loaded after the script, run as the service's processes are."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{script}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})",
        ],
        cwd=project.root,
        env=project.environment
        | {"ACCORD_HOME": str(tmp_path), "ACCORD_SERVING": shipped(Serving).model_dump_json()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_serving_imports_nothing_that_only_training_needs(packaged: Project, tmp_path: Path):
    found = imported(packaged, tmp_path, "from accord.serving.service import Accord; Accord()")
    assert {"accord", "bentoml", "polars"} <= found
    assert not found & {
        "pandas", "sklearn", "dvc", "hydra", "lightgbm", "matplotlib", "scipy", "dataframely", "evidently",
    }  # fmt: skip


def test_the_supervisor_loads_no_model(packaged: Project, tmp_path: Path):
    found = imported(packaged, tmp_path, "import accord.serving.service")
    assert {"accord", "bentoml"} <= found
    assert not found & {"polars", "numpy"}
