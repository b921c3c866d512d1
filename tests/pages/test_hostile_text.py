"""A project whose config, rows and clients are full of text that takes over pages and terminals, and what it shows of it."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from browser import faults, opened
from hostile import ALL, EVERYTHING, spoil_config, spoil_traffic
from markdown_it import MarkdownIt
from playwright.sync_api import Browser
from projects import Project, program
from services import Home, free_port, running

CONTROLS = {
    *range(0x20),
    *range(0x7F, 0xA0),
    0x2028,
    0x2029,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
} - {9, 10}
SHOWN = "window.ran=2"
"""A piece of a payload that a page shows if it shows the payload."""


@pytest.fixture(scope="module")
def hostile(new_project: Callable[[], Project]) -> Project:
    """A project that ran on hostile config and rows, answered hostile clients, and was monitored."""
    project = new_project()
    spoil_config(project)
    printed(project, "run", "data=rides", "objective=hostile", "model.n_estimators=20", "evaluation.min_slice_rows=3", "evaluation.n_resamples=50")  # fmt: skip
    project.commit()
    spoil_traffic(project)
    printed(project, "monitor", "--rows", "600", code=3)
    printed(project, "tradeoff", "--steps", "3")
    return project


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as browser:
        yield browser


def printed(project: Project, *words: str, code: int = 0, command: str = "accord") -> str:
    """What the command prints, none of which steers a terminal."""
    done = subprocess.run(
        [program(command), *words],
        cwd=project.root,
        env={"ACCORD_TOKEN": "any", **project.environment},
        capture_output=True,
    )
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == code, text
    steering = [(text[max(0, i - 60) : i + 20], c) for i, c in enumerate(text) if ord(c) in CONTROLS]
    assert not steering, f"{words}: {steering[:3]}"
    assert not [line for line in text.splitlines() if line.startswith("ALARM lines")]
    return text


PAGES = {
    "reports/index.html": SHOWN, "reports/scorecard.html": SHOWN, "reports/tradeoff.html": SHOWN,
    "reports/monitor/*/index.html": SHOWN, "reports/monitor/*/data_drift.html": "station",
    "reports/monitor/*/data_quality.html": SHOWN, "reports/monitor/*/performance.html": "late",
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_no_page_runs_or_renders_what_configs_rows_and_clients_bring(
    hostile: Project, browser: Browser, page: str
) -> None:
    [file] = hostile.root.glob(page)
    assert faults(browser, file.as_uri(), PAGES[page]) == []


def test_the_model_card_shows_them_as_text(hostile: Project) -> None:
    card = hostile.read("reports/model_card.md")
    html = MarkdownIt("commonmark").enable("table").render(card)
    assert "window.ran=2" in html
    assert html.count("<a ") == 1  # of the paper
    assert not re.findall("<(?:img|script|svg|iframe|style|b |strong>bold)", html)
    assert not [c for c in card if ord(c) in CONTROLS]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["judge"], 0),
        (["traffic"], 0),
        (["explain", "00000003"], 0),
        (["explain", "00000004", "--all"], 0),
        (["explain", EVERYTHING], 2),
        (["forget", EVERYTHING], 0),
        (["run", f"data={EVERYTHING}"], 2),
        (["run", EVERYTHING], 2),
        (["rollback", EVERYTHING], 2),
        (["monitor", "--from", EVERYTHING], 2),
        (["predict", "hostile.csv", "out.csv"], 2),
        (["outcomes", "hostile.csv"], 2),
        ([EVERYTHING], 2),
        (["load", "--rate", "1", "--for", "1", "--url", f"http://{EVERYTHING}"], 2),
    ],
)
def test_no_command_obeys_what_it_shows(hostile: Project, words: list[str], code: int) -> None:
    quoted = [text.replace('"', '""') for text in ALL]
    hostile.write(
        "hostile.csv", ",".join(f'"{text}"' for text in quoted) + "\n" + ",".join("1" * len(ALL)) + "\n"
    )
    printed(hostile, *words, code=code)


def test_reasons_of_a_promotion_are_kept_and_shown_as_text(hostile: Project) -> None:
    printed(hostile, "promote", "--reason", EVERYTHING)
    assert json.loads(hostile.read("models/champion.json"))["reason"] == EVERYTHING
    assert SHOWN in printed(hostile, "history")


@pytest.fixture
def hostile_service() -> Iterator[str]:
    """The address of a service that refuses everything in the words of the payloads."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(422)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"error": EVERYTHING}).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_what_a_service_answers_is_shown_as_text(hostile: Project, hostile_service: str) -> None:
    for words in (
        ["load", "--rate", "5", "--for", "1"],
        ["replay", "--from", "2024-03-12", "--to", "2024-03-13"],
    ):
        assert SHOWN in printed(hostile, *words, "--url", hostile_service, code=2)


@pytest.mark.slow
def test_the_simulation_collected_batches_and_plots_show_them_as_text(
    hostile: Project, browser: Browser
) -> None:
    printed(hostile, "collect")
    printed(hostile, "simulate", "--period", "3w", "--policies", "never,always")
    assert faults(browser, (hostile.root / "reports/simulation.html").as_uri(), SHOWN) == []
    printed(hostile, "plots", "show", command="dvc")
    html = hostile.read("dvc_plots/index.html")
    assert "window.ran" not in html


@pytest.mark.slow
def test_evidentlys_workspace_shows_them_as_text(hostile: Project, browser: Browser) -> None:
    port = free_port()
    server = subprocess.Popen(
        [program("evidently"), "ui", "--workspace", ".evidently", "--host", "127.0.0.1", "--port", str(port)],
        cwd=hostile.root, env={**hostile.environment, "DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        [project] = until_answered(f"{address}/api/projects")
        runs = until_answered(f"{address}/api/projects/{project['id']}/reports")
        assert len(runs) >= 4
        assert faults(browser, f"{address}/projects/{project['id']}", "rides") == []
        for run in runs:
            shows = "station" if run["tags"][0] in ("data_drift", "data_quality") else "l"
            assert faults(browser, f"{address}/projects/{project['id']}/reports/{run['id']}", shows) == []
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
def test_the_services_page_and_log_show_them_as_text(
    hostile: Project, browser: Browser, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    bundle = next(hostile.root.glob("models/releases/*/"), hostile.root / "models/bundle")
    home.name_champion(home.release(bundle))
    with running(hostile, home) as service:
        example = service.client.get("/docs.json").json()
        assert SHOWN in json.dumps(example)
        for text in ALL:
            service.client.post("/predict", json={"rows": [{text: text}]})
            service.client.get("/" + text.encode("unicode_escape").decode())
        assert faults(browser, f"http://127.0.0.1:{service.port}/", "/predict", SHOWN) == []
        home.name_champion(EVERYTHING)
        service.until(lambda: "can't be loaded" in service.log.read_text(), "the champion looked at")
    log = service.log.read_text()
    assert not [c for c in log if ord(c) in CONTROLS], log


def until_answered(address: str) -> list[dict[str, object]]:
    for _ in range(600):
        try:
            return list(httpx.get(address, timeout=60).raise_for_status().json())
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")
