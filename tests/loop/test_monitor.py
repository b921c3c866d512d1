"""`accord monitor` on a log: its exit code, its reports, its history, and whom it tells."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import polars as pl
import pytest
from projects import Project, program
from traffic_records import SETTINGS

from accord import bundle as bundles
from accord.data import tables
from accord.files import read_json
from accord.traffic.log import TrafficLog
from accord.traffic.records import LoggedRow, Predicted, encode

QUIET, REFUSED, ALARM = 0, 2, 3
Change = Callable[[pl.DataFrame], pl.DataFrame]


def served(project: Project, change: Change = lambda rows: rows) -> int:
    """Answers the rides of test, changed, and logs them as the service does; how many they are."""
    bundle = bundles.load(project.root / "models/bundle")
    rows = change(tables.read(project.root / "data/splits/test"))
    answers = bundle.answer(rows)
    contract = rows.select(*bundle.columns, *bundle.context)
    log = TrafficLog(project.root / "data/traffic", SETTINGS)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for i in range(rows.height):
        row = {name: value for name, value in bundles.as_json_row(contract, i).items() if value is not None}
        predicted = {name: float(answers[name][i]) for name in bundle.targets}
        one = LoggedRow(f"{i:08}", row, predicted)
        at = began + timedelta(seconds=i)
        log.append(encode(Predicted(at, 400, bundle.model_id, bundle.config_id, [one])))
    log.close()
    return rows.height


def broken(rows: pl.DataFrame) -> pl.DataFrame:
    """A sensor that died, and a station that nobody told of."""
    return rows.with_columns(rain=pl.lit(None, pl.Float64), station=pl.lit("moon"))


def monitor(project: Project, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("accord"), "monitor", *words], cwd=project.root, env={**project.environment, **environment},
        capture_output=True, text=True,
    )  # fmt: skip


def test_traffic_like_that_of_test_is_quiet(rides: Project) -> None:
    n = served(rides)
    done = monitor(rides, "--rows", str(n), "--no-reports")
    assert done.returncode == QUIET, done.stdout + done.stderr
    assert "Quiet: nothing beyond what is expected" in done.stdout
    decision = read_json(rides.root / "reports/decision.json")
    assert decision["window"]["n_rows"] == n
    assert decision["alarms"] == []
    assert decision["skew"]["n_different"] == 0


def test_alarms_have_an_exit_code_a_page_and_a_history_in_which_a_window_is_once(rides: Project) -> None:
    n = served(rides, broken)
    runs = []
    for _ in range(2):
        done = monitor(rides, "--rows", str(n))
        assert done.returncode == ALARM, done.stdout + done.stderr
        runs.append(len(list((rides.root / ".evidently").rglob("snapshots/*.json"))))
    assert "station" in done.stdout
    assert "new: 'moon'" in done.stdout
    assert "Evidently leaves out rain: all missing" in done.stdout
    [folder] = (rides.root / "reports/monitor").iterdir()
    page = (folder / "index.html").read_text()
    assert "moon" in page
    for name in ("data_drift", "prediction_drift", "data_quality"):
        assert f'href="{name}.html"' in page
        assert "<script" in (folder / f"{name}.html").read_text()
        assert json.loads((folder / f"{name}.json").read_text())["metrics"]
    assert runs[0] == runs[1] > 0
    alarms = {(alarm["kind"], alarm["what"]) for alarm in read_json(folder / "decision.json")["alarms"]}
    assert {("drift", "rain"), ("drift", "station")} <= alarms


def test_too_little_traffic_is_said_and_is_no_alarm(rides: Project) -> None:
    done = monitor(rides)
    assert (done.returncode, "insufficient: 0 rows" in done.stdout) == (QUIET, True)
    served(rides, lambda rows: rows.head(41))
    done = monitor(rides)
    assert (done.returncode, "insufficient: 41 rows" in done.stdout) == (QUIET, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--rows", "5", "--from", "2024-03-01"), "without --from and --to"),
        (("--from", "2024-03-02", "--to", "2024-03-01"), "turn them round"),
        (("--rows", "0"), "--rows"),
        (("--from", "yesterday"), "--from"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    project: Project, words: tuple[str, ...], reason: str
) -> None:
    done = monitor(project, *words)
    assert done.returncode == REFUSED
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


class Webhook(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.told: list[dict[str, object]] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Webhook)
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_webhook_is_told_and_its_failure_changes_nothing(rides: Project, webhook: Webhook) -> None:
    settings = Path(rides.root / "conf.lock.yaml")
    said = settings.read_text()
    assert "webhook: null" in said
    settings.write_text(said.replace("webhook: null", "webhook: ${oc.env:HOOK}"))
    address = f"http://127.0.0.1:{webhook.server_port}/hook"
    done = monitor(rides, HOOK=address)
    assert (done.returncode, done.stderr) == (QUIET, "")
    assert "The webhook was told" in done.stdout
    [told] = webhook.told
    assert str(told["text"]).startswith("accord monitor: 0 alarms in 0 rows")
    for wrong in (address.replace(str(webhook.server_port), "9"), "nonsense"):
        done = monitor(rides, HOOK=wrong)
        assert done.returncode == QUIET
        assert "The webhook was not told" in done.stdout
        assert wrong not in done.stdout
