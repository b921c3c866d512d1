"""Operating the service: other models, other weights, other formats, and what it does when something is wrong."""

import contextlib
import gzip
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import polars as pl
import pytest
from projects import Project
from services import POLICY, TOKEN, Home, Running, exchange, home_with, json_rows, make_bundle, running
from shipped import shipped

from accord.bundle.bundle import load_bundle
from accord.files import read_json
from accord.schema.serving import Serving
from accord.serving.counters import PASS_ON_AFTER_S
from accord.serving.engine import Engine
from accord.traffic.pii import Pseudonyms

AUTHORISED = {"authorization": f"Bearer {TOKEN}"}
JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows(packaged: Project, released: dict[str, Path]) -> Rows:
    return json_rows(packaged, load_bundle(released["lightgbm"]))[:60]


@pytest.fixture(scope="module")
def expected(released: dict[str, Path], rows: Rows) -> dict[str, list[tuple[Any, ...]]]:
    """Predictions, score and action of each row, by the model's id, from the batch path."""
    found = {}
    for folder in released.values():
        bundle = load_bundle(folder)
        engine = Engine.of(bundle, shipped(Serving), partial(Pseudonyms, folder))
        answers = engine.answer(engine.decoder.rows(json.dumps({"rows": rows}).encode()))
        found[folder.name] = [(a.predictions, a.score, a.action) for a in answers]
    return found


@pytest.fixture
def restored(live: Running, released: dict[str, Path]) -> Iterator[None]:
    """Whatever the test does to the champion and its weights, lightgbm answers with its own when it ends."""
    yield
    live.home.name_champion(released["lightgbm"].name)
    live.until_model(released["lightgbm"].name)
    change(live, POLICY.weights)
    live.until(lambda: not problems(live), "no problem any more")


def problems(service: Running) -> list[str]:
    return service.client.get("/readyz").json()["problems"]


def parts(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(row["predictions"], row["score"], row["action"]) for row in answer["rows"]]


# Other models


def test_a_promotion_and_a_rollback_are_taken_up_without_a_restart(
    live: Running, released: dict[str, Path], rows: Rows, expected: dict[str, list[Any]], restored: None
) -> None:
    workers = live.workers()
    for model in ("linear", "baseline", "linear", "lightgbm"):
        model_id = released[model].name
        live.home.name_champion(model_id)
        live.until_model(model_id)
        answer = live.ask(*rows)
        assert answer["model"] == model_id
        assert parts(answer) == expected[model_id]
        assert live.client.get("/docs.json").json()["info"]["version"] == model_id
        assert live.metrics()[f'accord_model_info{{model="{model_id}"}}'] == 1
    assert live.workers() == workers


@pytest.mark.slow
def test_accord_promote_and_rollback_reach_the_running_service(packaged: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    shutil.copytree(packaged.root, project.root, symlinks=True)
    first = read_json(project.root / "models/bundle/manifest.json")["model_id"]
    second = make_bundle(project, tmp_path / "second", "linear", policy=None, personal={})
    with running(project, Home(project.root)) as service:
        project.run("accord", "promote", "--reason", "the first")
        shutil.rmtree(project.root / "models/bundle")
        shutil.copytree(second, project.root / "models/bundle")
        project.run("accord", "promote", "--reason", "another")
        service.until_model(second.name)
        project.run("accord", "rollback")
        service.until_model(first)
        assert problems(service) == []


def cut(file: str) -> Callable[[Path], None]:
    def fault(folder: Path) -> None:
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(whole[: len(whole) // 2])

    return fault


def write(file: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(text) and None


FAULTS: dict[str, Callable[[Path], None]] = {
    "no bytes": shutil.rmtree,
    "an empty folder": lambda folder: shutil.rmtree(folder) or folder.mkdir(),
    "half a model": cut("models/late"),
    "half a contract": cut("contract.json"),
    "half a manifest": cut("manifest.json"),
    "a manifest that is a list": write("manifest.json", "[]"),
    "a manifest of nothing": write("manifest.json", "{}"),
    "a manifest of another format": write("manifest.json", '{"format": 1}'),
    "an example that breaks the contract": write("example.json", '{"station": 1}'),
    "no example": lambda folder: (folder / "example.json").unlink(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_champion_that_cannot_be_loaded_leaves_the_old_one_in_place_and_says_so(
    live: Running, released: dict[str, Path], rows: Rows, expected: dict[str, list[Any]], restored: None, fault: str
) -> None:  # fmt: skip
    broken = live.home.root / "models/releases/broken"
    shutil.copytree(released["linear"], broken)
    try:
        FAULTS[fault](broken)
        live.home.name_champion("broken")
        live.until(lambda: problems(live), "a problem")
        [problem] = problems(live)
        assert "the champion can't be loaded" in problem
        assert released["lightgbm"].name in problem
        assert "Traceback" not in problem
        assert live.client.get("/readyz").status_code == 200  # it answers, so it is ready
        assert live.metrics()["accord_problems"] == 1
        assert parts(live.ask(*rows)) == expected[released["lightgbm"].name]
        live.home.name_champion(released["linear"].name)
        live.until_model(released["linear"].name)
        live.until(lambda: not problems(live), "no problem")
    finally:
        shutil.rmtree(broken, ignore_errors=True)


@pytest.mark.parametrize(
    "pointer", ["", "{", "[]", "null", "7", '"x"', '{"model_id": 7}', '{"model_id": {}}']
)
def test_a_broken_pointer_leaves_the_champion_in_place_and_says_so(
    live: Running, released: dict[str, Path], rows: Rows, restored: None, pointer: str
) -> None:
    (live.home.root / "models/champion.json").write_text(pointer)
    live.until(lambda: problems(live), "a problem")
    assert live.ask(rows[0])["model"] == released["lightgbm"].name
    live.home.name_champion(released["linear"].name)
    live.until_model(released["linear"].name)
    live.until(lambda: not problems(live), "no problem")


def test_a_champion_whose_bytes_come_later_is_taken_up_when_they_are_there(
    live: Running, released: dict[str, Path], rows: Rows, restored: None
) -> None:
    """As on a machine where the pointer arrives by git, and the bytes with `dvc pull` after it."""
    folder = live.home.root / "models/releases" / released["linear"].name
    aside = folder.with_name("aside")
    folder.rename(aside)
    live.home.name_champion(released["linear"].name)
    live.until(lambda: problems(live), "a problem")
    aside.rename(folder)
    live.until_model(released["linear"].name)
    live.until(lambda: not problems(live), "no problem")
    said = live.log.read_text().count("the champion can't be loaded")
    live.ask(rows[0])
    assert live.log.read_text().count("the champion can't be loaded") == said


# Other weights


def change(
    service: Running, weights: Any, headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    return service.client.post(
        "/policy", json={"weights": weights, **more}, headers=AUTHORISED if headers is None else headers
    )


@pytest.fixture(scope="module")
def two(
    packaged: Project, released: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A service of two workers, both of which answer, that answers what it can't log."""
    home = home_with(released, tmp_path_factory.mktemp("two") / "home")
    settings = {"workers": 2, "traffic": {"when_full": "answer", "max_mb": 50}}
    with running(packaged, home, settings) as service:
        row = json_rows(packaged, load_bundle(released["lightgbm"]))[0]

        def both_answer() -> bool:
            service.ask(row, connection="close")
            return len(list((home.traffic / "segments").glob("*.jsonl"))) == 2

        service.until(both_answer, "both workers answer")
        yield service


def weights_seen(service: Running, n: int = 40) -> set[str]:
    """The weights that many requests, each by a connection of its own, find applied."""
    answers = (service.client.get("/policy", headers={"connection": "close"}).json() for _ in range(n))
    return {json.dumps(answer["policy"]["weights"], sort_keys=True) for answer in answers}


@pytest.mark.parametrize(
    "token", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff"]
)
def test_weights_are_not_changed_without_the_token(live: Running, token: str) -> None:
    before = live.client.get("/policy").json()
    answer = live.client.post(
        "/policy", json={"weights": {"w": 1}}, headers=[(b"authorization", token.encode("latin-1"))]
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert live.client.get("/policy").json() == before


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"weights": {"x": 1}}, "no weight 'x'"),
        ({"weights": {"w": "1"}}, "float"),
        ({"weights": {"w": None}}, "float"),
        ({"weights": {"w": True}}, "float"),
        ({"weights": [1]}, "object"),
        ({"weights": {"w": 1}, "more": 1}, "more"),
        ({"reason": "none"}, "weights"),
        ({}, "weights"),
        ([], "object"),
    ],
    ids=str,
)
def test_weights_that_do_not_fit_are_refused(live: Running, body: Any, expected: str) -> None:
    before = live.client.get("/policy").json()
    file = live.home.traffic / "policy.jsonl"
    changes = file.read_bytes() if file.exists() else None
    answer = live.client.post("/policy", json=body, headers=AUTHORISED)
    assert answer.status_code == 422
    assert expected in answer.json()["error"]
    assert (file.read_bytes() if file.exists() else None) == changes
    assert live.client.get("/policy").json() == before


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "-1e999"])
def test_a_weight_that_is_no_finite_number_is_refused(live: Running, value: str) -> None:
    body = f'{{"weights": {{"w": {value}}}}}'
    answer = live.client.post("/policy", content=body, headers={**AUTHORISED, "content-type": JSON})
    assert answer.status_code == 422


def test_weights_in_another_format_are_refused(live: Running) -> None:
    answer = live.client.post("/policy", content=b"w=1", headers={**AUTHORISED, "content-type": "text/plain"})
    assert answer.status_code == 415


def test_weights_that_are_set_are_applied_by_both_workers_and_recorded(
    two: Running, released: dict[str, Path], rows: Rows
) -> None:
    answer = change(two, {"w": 0.25}, reason="ein ruhiger Monat")
    assert answer.status_code == 200
    assert answer.json()["policy"]["weights"] == {"fee": 4.0, "w": 0.25}
    assert answer.json()["changed"] is True
    wanted = {json.dumps({"fee": 4.0, "w": 0.25})}
    two.until(lambda: weights_seen(two) == wanted, "both workers apply it")
    last = json.loads((two.home.traffic / "policy.jsonl").read_text().splitlines()[-1])
    assert last["model"] == released["lightgbm"].name
    assert last["weights"] == {"w": 0.25}
    assert last["reason"] == "ein ruhiger Monat"
    assert last["client"] == "127.0.0.1"
    assert last["at"].endswith("+00:00")


def test_changes_one_after_the_other_add_up_whichever_worker_takes_them(two: Running) -> None:
    for i in range(1, 21):
        for weights in ({"w": float(i)}, {"fee": float(-i)}):
            answer = two.client.post(
                "/policy", json={"weights": weights}, headers={**AUTHORISED, "connection": "close"}
            )
            assert answer.status_code == 200
        assert answer.json()["policy"]["weights"] == {"w": float(i), "fee": float(-i)}


def test_half_a_line_in_the_record_of_changes_costs_no_other_line(two: Running) -> None:
    """What a crash in the middle of a write leaves behind."""
    with (two.home.traffic / "policy.jsonl").open("a") as file:
        file.write('{"at": "2024-01-01T00:00')
    assert change(two, {"w": 3.5}).status_code == 200
    two.until(lambda: len(weights_seen(two)) == 1, "both workers agree")
    assert two.client.get("/policy").json()["policy"]["weights"]["w"] == 3.5


@pytest.mark.parametrize("line", ["null", "7", "[]", "{}", '{"model": "x"}', '{"weights": 1}', "\xff"])
def test_a_foreign_line_in_the_record_of_changes_stops_nothing(
    live: Running, released: dict[str, Path], line: str, restored: None
) -> None:
    with (live.home.traffic / "policy.jsonl").open("a", encoding="latin-1") as file:
        file.write(f"{line}\n")
    assert change(live, {"w": 4.5}).status_code == 200
    live.home.name_champion(released["linear"].name)
    live.until_model(released["linear"].name)  # the service still follows
    assert problems(live) == []


@pytest.mark.slow
def test_weights_survive_a_restart_and_end_with_another_model(
    packaged: Project, home: Home, released: dict[str, Path], rows: Rows, expected: dict[str, list[Any]]
) -> None:
    with running(packaged, home) as service:
        assert change(service, {"fee": 100.0}).status_code == 200
        changed = parts(service.ask(*rows))
    assert changed != expected[released["lightgbm"].name]
    with running(packaged, home) as service:
        assert parts(service.ask(*rows)) == changed
        home.name_champion(released["linear"].name)
        service.until_model(released["linear"].name)
        assert parts(service.ask(*rows)) == expected[released["linear"].name]
        assert service.client.get("/policy").json()["changed"] is False
        home.name_champion(released["lightgbm"].name)
        service.until_model(released["lightgbm"].name)
        assert (
            parts(service.ask(*rows)) == expected[released["lightgbm"].name]
        )  # they don't come back with it


def touched(pointer: Path) -> None:
    os.utime(pointer, ns=(0, 2**62))


def written_again(pointer: Path) -> None:
    """As `git checkout` writes it: another file with another time."""
    shutil.copyfile(pointer, pointer.with_name("again"))
    pointer.with_name("again").rename(pointer)


def laid_out_otherwise(pointer: Path) -> None:
    pointer.write_text(json.dumps(read_json(pointer), indent=7))


def named_again(pointer: Path) -> None:
    """As by a rollback to the champion itself."""
    champion = read_json(pointer)
    again = {**champion, "previous": champion["model_id"], "at": "2999-01-01T00:00:00+00:00"}
    pointer.write_text(json.dumps(again))


def away_for_a_moment(pointer: Path) -> None:
    champion = pointer.read_bytes()
    pointer.unlink()
    time.sleep(1)
    pointer.write_bytes(champion)


def broken_for_a_moment(pointer: Path) -> None:
    champion = pointer.read_bytes()
    pointer.write_text("{")
    time.sleep(1)
    pointer.write_bytes(champion)


SAME_CHAMPION = [
    touched, written_again, laid_out_otherwise, named_again, away_for_a_moment, broken_for_a_moment,
]  # fmt: skip


def name(service: Running, model_id: str, previous: str | None, at: str) -> None:
    """Names the champion as `accord promote` and `accord rollback` do."""
    record = {"model_id": model_id, "previous": previous, "at": at, "action": "promote"}
    temporary = service.home.root / "models/.champion.json.tmp"
    temporary.write_text(json.dumps(record))
    temporary.rename(service.home.paths.champion)


@pytest.mark.parametrize("again", SAME_CHAMPION, ids=lambda again: again.__name__)
def test_weights_live_on_while_the_champion_is_the_same(
    two: Running, released: dict[str, Path], again: Callable[[Path], None]
) -> None:
    """Both workers have looked at the pointer and at the changes several times when the last of these requests is answered."""
    name(two, released["lightgbm"].name, released["linear"].name, "2024-01-01T00:00:00+00:00")
    time.sleep(1)
    assert change(two, {"w": 0.125}).status_code == 200
    weights_until(two, {"fee": weights_of(two)["fee"], "w": 0.125})
    again(two.home.paths.champion)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert {json.loads(found)["w"] for found in weights_seen(two, 4)} == {0.125}


def weights_of(service: Running) -> dict[str, float]:
    found: dict[str, float] = service.client.get("/policy").json()["policy"]["weights"]
    return found


def weights_until(service: Running, weights: dict[str, float]) -> None:
    wanted = {json.dumps(weights, sort_keys=True)}
    service.until(lambda: weights_seen(service) == wanted, f"{weights} of both workers")


def test_weights_end_for_both_workers_when_another_model_comes_and_stay_ended(
    two: Running, released: dict[str, Path]
) -> None:
    first, second = released["lightgbm"].name, released["linear"].name
    assert change(two, {"w": 0.75}).status_code == 200
    for model_id, previous in ((second, first), (first, second), (second, first)):
        two.home.name_champion(model_id) if model_id == second else name(
            two, model_id, previous, "2024-02-02"
        )
        two.until(lambda: models_seen(two) == {model_id}, f"{model_id} in both workers")  # noqa: B023
        weights_until(two, POLICY.weights)
        assert change(two, {"w": 0.625}).status_code == 200
        weights_until(two, {**POLICY.weights, "w": 0.625})
    two.home.name_champion(first)
    two.until(lambda: models_seen(two) == {first}, f"{first} in both workers")
    weights_until(two, POLICY.weights)


def models_seen(service: Running, n: int = 40) -> set[str]:
    answers = (service.client.get("/policy", headers={"connection": "close"}).json() for _ in range(n))
    return {answer["model"] for answer in answers}


@pytest.mark.slow
def test_weights_survive_a_restart_with_the_same_champion_and_no_other(
    packaged: Project, home: Home, released: dict[str, Path]
) -> None:
    first, second = released["lightgbm"].name, released["linear"].name
    with running(packaged, home) as service:
        name(service, first, second, "2024-01-01T00:00:00+00:00")
        service.until_model(first)
        time.sleep(1)
        assert change(service, {"w": 0.75}).status_code == 200
        [worker] = service.workers()
        os.kill(worker, signal.SIGKILL)
        service.until(lambda: weights_of(service)["w"] == 0.75, "a new worker applies it")
        assert f"accord: worker {worker} was killed by SIGKILL (Killed)" in service.log.read_text()
    touched(home.paths.champion)
    with running(packaged, home) as service:
        assert weights_of(service)["w"] == 0.75
        named_again(home.paths.champion)
        time.sleep(1)
        assert weights_of(service)["w"] == 0.75
    # Another was champion while no service ran.
    name(service, first, second, "2024-03-03T00:00:00+00:00")
    with running(packaged, home) as service:
        assert service.client.get("/policy").json()["changed"] is False


# What a client meets


def test_the_contract_is_a_json_schema_that_its_example_keeps(live: Running, rows: Rows) -> None:
    contract = live.client.get("/contract").json()
    jsonschema_rs.meta.validate(contract)
    schema = jsonschema_rs.Draft202012Validator(contract)
    [example] = contract["examples"]
    schema.validate(example)
    live.ask(*example["rows"])
    schema.validate({"rows": rows})
    few = [{}, {"rows": []}, {"rows": [{}]}]
    for wrong in (*few, *({"rows": [rows[0] | change]} for change in ({"distance": -1}, {"surprise": 1}))):
        assert not schema.is_valid(wrong)
        assert live.client.post("/predict", json=wrong).status_code == 422


def test_the_service_listens_on_this_machine_alone(live: Running) -> None:
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    sockets = [line.split() for table in tables for line in table]
    port = f":{live.port:04X}"
    assert {s[1] for s in sockets if s[3] == "0A" and s[1].endswith(port)} == {f"0100007F{port}"}


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/metrics", "/readyz", "/contract", "/docs.json", "/nowhere", "/predict"]
)
def test_every_answer_has_the_headers_of_security_and_names_no_server(live: Running, path: str) -> None:
    headers = live.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    if path == "/":
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in headers["content-security-policy"]
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_a_foreign_page_may_not_ask_in_its_readers_name(live: Running) -> None:
    asked = {"origin": "https://example.org", "access-control-request-method": "POST"}
    answer = live.client.options("/predict", headers=asked)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_paths_that_are_not_there_leave_no_trace_in_the_metrics(live: Running) -> None:
    def names() -> set[str]:
        return set(live.metrics())

    for path in ("/", "/metrics", "/livez"):
        live.client.get(path)
    time.sleep(2 * PASS_ON_AFTER_S)
    before = names()
    for i in range(200):
        assert live.client.get(f"/nowhere/{i}").status_code == 404
        assert live.client.get(f"/static_content/{i}").status_code == 404
        live.client.request(f"METHOD{i}", "/nowhere")
    assert names() == before


def test_odd_methods_leave_no_trace_in_the_metrics_of_paths_that_are_there(live: Running) -> None:
    for path in ("/", "/metrics", "/livez", "/predict"):
        live.client.request("PUT", path)
    time.sleep(2 * PASS_ON_AFTER_S)
    before = len(live.metrics())
    for method in ("PATCH", "DELETE", "TRACE", "PROPFIND", "LOCK", "MKCOL", "REPORT", "SUBSCRIBE"):
        for path in ("/", "/metrics", "/livez", "/predict"):
            assert live.client.request(method, path).status_code == 405
    assert len(live.metrics()) <= before


@pytest.mark.slow
def test_a_service_that_starts_beside_another_leaves_its_metrics_alone(
    live: Running, packaged: Project, home: Home, rows: Rows
) -> None:
    """As when a candidate is measured while the champion serves from the same project."""
    live.ask(rows[0])
    before = live.metrics()
    with running(packaged, home) as beside:
        own = [name for name in beside.metrics() if name.startswith("accord_request_seconds")]
        assert not [name for name in own if "/predict" in name]
    after = live.metrics()
    assert before.keys() <= after.keys()
    assert [name for name in before if name.endswith("_total") and after[name] < before[name]] == []


def tabled(rows: Rows, kind: str) -> bytes:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    out = io.BytesIO()
    frame.write_parquet(out) if kind == PARQUET else frame.write_ipc_stream(out)
    return out.getvalue()


@pytest.mark.parametrize("given", [JSON, ARROW, PARQUET])
@pytest.mark.parametrize("wanted", [JSON, ARROW, PARQUET])
def test_tables_in_and_out_hold_the_bits_of_json(
    live: Running, released: dict[str, Path], rows: Rows, expected: dict[str, list[Any]], given: str, wanted: str
) -> None:  # fmt: skip
    body = json.dumps({"rows": rows}).encode() if given == JSON else tabled(typed(rows), given)
    answer = live.client.post("/predict", content=body, headers={"content-type": given, "accept": wanted})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == wanted
    if wanted == JSON:
        assert parts(answer.json()) == expected[released["lightgbm"].name]
        return
    read = pl.read_parquet if wanted == PARQUET else pl.read_ipc_stream
    found = read(io.BytesIO(answer.content))
    assert found.columns[0] == "prediction_id"
    assert set(found["model"]) == {released["lightgbm"].name}
    targets = list(expected[released["lightgbm"].name][0][0])
    assert [
        ({name: row[name] for name in targets}, row["score"], row["action"]) for row in found.to_dicts()
    ] == expected[released["lightgbm"].name]
    assert found["warnings"].dtype == pl.List(pl.String)


def typed(rows: Rows) -> Rows:
    """The rows with instants as instants, as tables have them."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(pl.col("booked_at", "started_at").str.to_datetime(time_unit="us")).to_dicts()


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
def test_a_broken_table_is_the_clients_fault(live: Running, rows: Rows, kind: str) -> None:
    whole = tabled(typed(rows), kind)
    other = tabled(typed(rows), PARQUET if kind == ARROW else ARROW)
    bodies = [b"", b"x", os.urandom(1000), other, b"PAR1", b"PAR1PAR1", b"\xff\xff\xff\xff\x00\x00\x00\x00"]
    bodies += [whole[: len(whole) * i // 10] for i in range(10)] + [whole[len(whole) // 2 :]]
    for i in range(0, len(whole), max(1, len(whole) // 60)):
        bodies.append(whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :])
    workers = live.workers()
    statuses = [
        live.client.post("/predict", content=body, headers={"content-type": kind}).status_code
        for body in bodies
    ]
    assert set(statuses[:7]) == {422}
    assert set(statuses) <= {200, 422}  # one bit may have changed a value to another that is fine
    assert len(live.ask(*rows)["rows"]) == len(rows)
    assert live.workers() == workers


ODD_TABLES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "no rows": lambda frame: frame.head(0),
    "no columns": lambda frame: frame.select(),
    "a column too few": lambda frame: frame.drop("distance"),
    "a column too many": lambda frame: frame.with_columns(more=pl.lit(1)),
    "text for a number": lambda frame: frame.with_columns(pl.col("distance").cast(pl.String)),
    "a list": lambda frame: frame.with_columns(pl.concat_list("distance").alias("distance")),
    "a struct": lambda frame: frame.with_columns(pl.struct("distance").alias("distance")),
    "bytes": lambda frame: frame.with_columns(bike=pl.lit(b"\xff")),
    "a duration": lambda frame: frame.with_columns(booked_at=pl.duration(days=1)),
    "a time": lambda frame: frame.with_columns(booked_at=pl.time(1)),
    "not finite": lambda frame: frame.with_columns(distance=pl.lit(float("nan"))),
    "out of bounds": lambda frame: frame.with_columns(distance=pl.lit(1e9)),
    "null": lambda frame: frame.with_columns(distance=pl.lit(None, pl.Float64)),
    "nothing but nulls": lambda frame: frame.with_columns(pl.lit(None).alias(n) for n in frame.columns),
    "a long text": lambda frame: frame.with_columns(bike=pl.lit("x" * 1001)),
    "a long name": lambda frame: frame.with_columns(pl.lit(1).alias("x" * 10_000)),
    "too many rows": lambda frame: pl.concat([frame.select("seats")] * 200),
    "hundreds of columns": lambda frame: frame.with_columns(pl.lit(1).alias(f"c{i}") for i in range(500)),
}


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
@pytest.mark.parametrize("odd", ODD_TABLES)
def test_a_table_that_breaks_the_contract_is_refused_with_a_short_reason(
    live: Running, rows: Rows, kind: str, odd: str
) -> None:
    frame = ODD_TABLES[odd](pl.DataFrame(typed(rows), infer_schema_length=None))
    out = io.BytesIO()
    frame.write_parquet(out) if kind == PARQUET else frame.write_ipc_stream(out)
    answer = live.client.post("/predict", content=out.getvalue(), headers={"content-type": kind})
    assert answer.status_code == 422, answer.text
    assert 0 < len(answer.json()["error"]) < 500
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "same",
    [
        lambda frame: frame.with_columns(pl.col("seats").cast(pl.Int8)),
        lambda frame: frame.with_columns(pl.col("bike").cast(pl.Categorical)),
        lambda frame: frame.with_columns(pl.col("station").cast(pl.Enum(["north", "south", "harbour"]))),
        lambda frame: frame.with_columns(pl.col("booked_at").dt.replace_time_zone("UTC")),
        lambda frame: frame.with_columns(
            pl.col("booked_at").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
        ),
        lambda frame: frame.with_columns(pl.col("booked_at").dt.cast_time_unit("ns")),
        lambda frame: frame.select(reversed(frame.columns)),
        lambda frame: frame.rechunk().lazy().collect(),
    ],
    ids=[
        "small integers",
        "categories",
        "enums",
        "in UTC",
        "in Tokyo",
        "nanoseconds",
        "turned around",
        "as it is",
    ],
)
@pytest.mark.parametrize("kind", [ARROW, PARQUET])
def test_the_same_values_in_other_types_of_a_table_get_the_same_answers(
    live: Running, released: dict[str, Path], rows: Rows, expected: dict[str, list[Any]], kind: str, same: Any
) -> None:  # fmt: skip
    frame = same(pl.DataFrame(typed(rows), infer_schema_length=None))
    out = io.BytesIO()
    frame.write_parquet(out) if kind == PARQUET else frame.write_ipc_stream(out)
    answer = live.client.post("/predict", content=out.getvalue(), headers={"content-type": kind})
    assert answer.status_code == 200, answer.text
    assert parts(answer.json()) == expected[released["lightgbm"].name]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (JSON, 200),
        ("application/json; charset=utf-8", 200),
        ("application/json;charset=UTF-8", 200),
        ("Application/JSON", 200),
        ("application/json-patch+json", 415),
        ("application/jsonp", 415),
        ("text/json", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
        (None, 415),
    ],
)
def test_json_is_taken_by_its_content_type_and_nothing_else(
    live: Running, rows: Rows, content_type: str | None, status: int
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    body = json.dumps({"rows": rows[:1]})
    for path in ("/predict", "/explain"):
        assert live.client.post(path, content=body, headers=headers).status_code == status


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "nonsense"])
def test_an_encoded_body_is_refused(live: Running, rows: Rows, encoding: str) -> None:
    body = gzip.compress(json.dumps({"rows": rows[:1]}).encode())
    answer = live.client.post(
        "/predict", content=body, headers={"content-type": JSON, "content-encoding": encoding}
    )
    assert answer.status_code == 415
    assert "content-encoding" in answer.json()["error"]


@pytest.mark.parametrize("encoding", ["identity", "Identity"])
def test_a_body_that_says_it_is_not_encoded_is_taken(live: Running, rows: Rows, encoding: str) -> None:
    body = json.dumps({"rows": rows[:1]}).encode()
    answer = live.client.post(
        "/predict", content=body, headers={"content-type": JSON, "content-encoding": encoding}
    )
    assert answer.status_code == 200


HEAD = "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize("path", ["/predict", "/explain", "/policy"])
@pytest.mark.parametrize("declared", [1_000_001, 10**12, 2**63 - 1])
def test_a_body_that_is_declared_too_large_is_refused_before_it_is_read(
    live: Running, path: str, declared: int
) -> None:
    [answer] = exchange(live.port, f"{HEAD.format(path=path)}content-length: {declared}\r\n\r\n".encode())
    assert answer.status == 413
    assert b"1,000,000 bytes" in answer.body


def test_a_body_that_grows_too_large_in_chunks_is_refused(live: Running) -> None:
    chunk = b"%x\r\n" % 100_000 + b" " * 100_000 + b"\r\n"
    [answer] = exchange(
        live.port, f"{HEAD.format(path='/predict')}transfer-encoding: chunked\r\n\r\n".encode() + chunk * 11
    )
    assert answer.status == 413


@pytest.mark.parametrize("sent", ["", '{"rows"'], ids=["nothing", "half"])
def test_a_body_that_does_not_arrive_ends_with_408(live: Running, sent: str) -> None:
    [answer] = exchange(
        live.port, f"{HEAD.format(path='/predict')}content-length: 100\r\n\r\n{sent}".encode()
    )
    assert answer.status == 408
    assert live.home.refused()[-1]["status"] == 408


def test_slow_bodies_hold_up_no_other_request(live: Running, rows: Rows) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", live.port)))
            connection.sendall(f"{HEAD.format(path='/predict')}content-length: 100\r\n\r\n{{".encode())
        for row in rows:
            live.ask(row)


def test_without_bentomls_private_class_the_service_answers_the_same(
    packaged: Project, home: Home, tmp_path: Path, released: dict[str, Path], rows: Rows, expected: dict[str, list[Any]]
) -> None:  # fmt: skip
    """Then the fast path is a middleware: the class that it would come from is taken away before the service is made."""
    (tmp_path / "away").mkdir()
    (tmp_path / "away/sitecustomize.py").write_text(WITHOUT_CLASS)
    with running(packaged, home, PYTHONPATH=str(tmp_path / "away"), ACCORD_TOKEN="") as service:
        assert "accord: the fast path is a middleware" in service.log.read_text()
        assert parts(service.ask(*rows)) == expected[released["lightgbm"].name]
        for row, wanted in zip(rows[:5], expected[released["lightgbm"].name], strict=False):
            assert parts(service.ask(row)) == [wanted]
        table = service.client.post(
            "/predict", content=tabled(typed(rows), ARROW), headers={"content-type": ARROW}
        )
        assert parts(table.json()) == expected[released["lightgbm"].name]
        assert service.client.post("/predict", json={"rows": []}).status_code == 422
        assert service.client.get("/predict").status_code == 405
        assert service.client.get("/nowhere").status_code == 404
        assert service.client.get("/").headers["x-frame-options"] == "DENY"
        assert service.client.get("/docs.json").status_code == 200
        assert service.metrics()["accord_ready"] == 1
        for headers in (
            {},
            AUTHORISED,
            {"authorization": "Bearer"},
        ):  # a service without a token changes nothing
            assert change(service, {"w": 1.0}, headers=headers).status_code == 403
        assert not (home.traffic / "policy.jsonl").exists()
        answer = service.ask(rows[0])
        assert len(home.predicted()[answer["rows"][0]["prediction_id"]]) == 1


WITHOUT_CLASS = '''
import sys


class Finder:
    """Lets accord.serving.service meet a BentoML whose Service has no to_asgi."""

    def find_spec(self, name, path=None, target=None):
        if name == "accord.serving.service":
            import bentoml

            class Other:
                def __class_getitem__(cls, item):
                    return cls

            bentoml.Service = Other
            print("accord: the fast path is a middleware", flush=True)


sys.meta_path.insert(0, Finder())
'''


# A full disk


@contextlib.contextmanager
def ballast(home: Home, megabytes: float) -> Iterator[None]:
    """A file in the log's folder that takes up its limit."""
    file = home.traffic / "ballast"
    with file.open("wb") as out:
        out.truncate(int(megabytes * 1e6))
    try:
        yield
    finally:
        file.unlink()


@pytest.mark.slow
def test_a_log_at_its_limit_refuses_until_there_is_room_again(live: Running, rows: Rows) -> None:
    n_before = len(live.home.records())
    with ballast(live.home, 101):
        live.until(lambda: live.client.get("/readyz").status_code == 503, "not ready")
        answer = live.client.post("/predict", json={"rows": rows[:3]})
        assert answer.status_code == 503
        assert "serving.traffic.max_mb" in answer.json()["error"]
        assert "predictions" not in answer.text
        assert answer.headers["retry-after"]
        state = live.client.get("/readyz").json()
        assert state["ready"] is False
        assert "serving.traffic.max_mb" in state["problems"][0]
        metrics = live.metrics()
        assert (metrics["accord_ready"], metrics["accord_problems"]) == (0, 1)
        assert metrics["accord_unlogged_rows_total"] >= 3
        assert metrics["accord_log_megabytes"] > 100
        assert live.client.post("/explain", json={"rows": rows[:1]}).status_code == 200
        assert live.client.get("/livez").status_code == 200  # a restart would not help
        live.until(lambda: "accord: the log in" in live.log.read_text(), "the output says it")
    live.until_ready()
    live.until(lambda: "accord: requests are logged again\n" in live.log.read_text(), "the output says it")
    found = live.ask(*rows[:3])
    log = live.home.predicted()
    assert {len(log[row["prediction_id"]]) for row in found["rows"]} == {1}
    assert len(live.home.records()) == n_before + 1


@pytest.mark.slow
def test_a_log_at_its_limit_is_counted_and_answered_where_the_config_says_so(
    two: Running, rows: Rows
) -> None:
    def n_said() -> int:
        return two.log.read_text().count("serving.traffic.max_mb")

    before, n_before = two.metrics(), n_said()
    with ballast(two.home, 51):
        two.until(lambda: n_said() == n_before + 2, "a problem of both workers")
        assert problems(two)
        assert two.client.get("/readyz").status_code == 200
        n_records = len(two.home.records())
        answers = [two.ask(*rows[:3]) for _ in range(4)]
        assert len({row["prediction_id"] for answer in answers for row in answer["rows"]}) == 12
        assert len(two.home.records()) == n_records
        after = two.metrics()
        assert after["accord_unlogged_requests_total"] - before["accord_unlogged_requests_total"] >= 4
        assert after["accord_unlogged_rows_total"] - before["accord_unlogged_rows_total"] == 12
        assert (after["accord_ready"], after["accord_problems"]) == (1, 1)
    two.until(lambda: not problems(two), "no problem any more")
    two.ask(rows[0])
    assert len(two.home.records()) == n_records + 1


@pytest.fixture
def small_disk(home: Home) -> Iterator[Home]:
    """A home whose log is on a disk of two megabytes of its own."""
    home.traffic.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", str(home.traffic)]
    done = subprocess.run(words, capture_output=True, text=True) if os.getuid() == 0 else None
    if done is None or done.returncode:
        pytest.skip("a small disk can't be mounted here: it takes root" if done is None else done.stderr)
    yield home
    subprocess.run(["umount", "--lazy", str(home.traffic)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("when_full", ["refuse", "answer"])
def test_a_disk_that_fills_up_leaves_whole_records_and_ends_by_itself(
    packaged: Project, small_disk: Home, rows: Rows, when_full: str
) -> None:
    with running(packaged, small_disk, {"traffic": {"when_full": when_full, "max_mb": 1000}}) as service:
        answers = []
        for _ in range(2000):
            answer = service.client.post("/predict", json={"rows": rows})
            answers.append(answer)
            if service.metrics()["accord_unlogged_requests_total"] >= 3:
                break
        statuses = {answer.status_code for answer in answers}
        assert statuses == ({200, 503} if when_full == "refuse" else {200})
        n_unlogged = int(service.metrics()["accord_unlogged_requests_total"])
        log = small_disk.predicted()  # every line reads
        ids = [[row["prediction_id"] for row in a.json()["rows"]] for a in answers if a.status_code == 200]
        logged = [part for part in ids if all(len(log.get(i, [])) == 1 for i in part)]
        assert not [part for part in ids if part not in logged and any(i in log for i in part)]
        assert len(ids) - len(logged) == (0 if when_full == "refuse" else n_unlogged)
        assert len(log) == len(rows) * len(logged)
        for segment in (small_disk.traffic / "segments").glob("*.jsonl"):
            segment.rename(segment.with_suffix(".aside"))
            segment.with_suffix(".aside").write_bytes(
                b""
            )  # the segment itself, which the worker still has open
            segment.with_suffix(".aside").rename(segment)
        service.until(lambda: not problems(service), "room again")
        again = service.ask(rows[0])
        assert again["rows"][0]["prediction_id"] in small_disk.predicted()


def test_a_log_that_cannot_be_written_refuses_and_recovers(live: Running, rows: Rows) -> None:
    """The folder itself is away for a moment, as when a volume is remounted."""
    live.ask(rows[0])
    folder, aside = live.home.traffic, live.home.traffic.with_name("aside")
    folder.rename(aside)
    folder.write_text("no folder")
    try:
        live.until(lambda: live.client.get("/readyz").status_code == 503, "not ready")
        assert live.client.post("/predict", json={"rows": rows[:1]}).status_code == 503
    finally:
        folder.unlink()
        aside.rename(folder)
    live.until_ready()
    assert live.ask(rows[0])["rows"][0]["prediction_id"] in live.home.predicted()


@pytest.mark.parametrize("path", ["/", "/docs.json", "/schema.json", "/contract", "/model", "/readyz", "/livez", "/metrics", "/nowhere"])  # fmt: skip
def test_no_page_is_answered_under_another_name(live: Running, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nconnection: close\r\n"
    [answer] = exchange(live.port, f"{head}host: evil.example:{live.port}\r\n\r\n".encode())
    assert answer.status == 421
    reason = "this service is not called 'evil.example'; add the name to serving.hosts if it is"
    assert json.loads(answer.body) == {"error": reason}
    [answer] = exchange(live.port, f"{head}\r\n".encode())
    assert answer.status == 400


def test_no_prediction_is_logged_under_another_name(live: Running, rows: Rows) -> None:
    before = len(live.home.predicted())
    answer = live.client.post("/predict", json={"rows": rows[:1]}, headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert len(live.home.predicted()) == before


def test_a_client_may_not_say_who_it_is(live: Running) -> None:
    forwarded = {**AUTHORISED, "x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7"}
    assert change(live, {"w": 0.5}, headers=forwarded).status_code == 200
    assert recorded(live.home)["client"] == "127.0.0.1"


def test_a_proxy_that_the_settings_name_says_who_the_client_is(packaged: Project, home: Home) -> None:
    with running(packaged, home, {"proxies": ["127.0.0.0/8"], "hosts": ["api.example.org"]}) as service:
        forwarded = {**AUTHORISED, "host": "api.example.org", "x-forwarded-for": "198.51.100.1, 203.0.113.7"}
        assert change(service, {"w": 0.5}, headers=forwarded).status_code == 200
        assert recorded(home)["client"] == "203.0.113.7"  # what comes before it, anybody may have written


def recorded(home: Home) -> dict[str, Any]:
    """The last change of the policy."""
    last: dict[str, Any] = json.loads((home.traffic / "policy.jsonl").read_bytes().splitlines()[-1])
    return last
