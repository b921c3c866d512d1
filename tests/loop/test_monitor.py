"""`accord monitor` on a log: its exit code, its reports, its history, and whom it tells."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import polars as pl
import pytest
from projects import Project, leave_free, program
from traffic_records import SETTINGS

from accord.bundle.bundle import as_json_row, load_bundle
from accord.data import partitions
from accord.files import read_json, write_json
from accord.traffic.log import TrafficLog
from accord.traffic.records import LoggedOutcome, LoggedRow, Predicted, Record, Refused, Reported, encode

QUIET, REFUSED, ALARM = 0, 2, 3
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
Change = Callable[[pl.DataFrame], pl.DataFrame]


def served(project: Project, change: Change = lambda rows: rows, has_outcomes: bool = False) -> int:
    """Answers the rides of test, changed, and logs them as the service does, with their outcomes if it has any; how many
    they are."""
    bundle = load_bundle(project.root / "models/bundle")
    rows = change(partitions.read(project.root / "data/splits/test"))
    answers = bundle.answer(rows)
    contract = rows.select(*bundle.columns, *bundle.context)
    records: list[Record] = []
    for i in range(rows.height):
        row = {name: value for name, value in as_json_row(contract, i).items() if value is not None}
        predicted = {name: float(answers[name][i]) for name in bundle.targets}
        one = LoggedRow(f"{i:08}", row, predicted)
        at = BEGAN + timedelta(seconds=i)
        records.append(Predicted(at, 400, bundle.model_id, bundle.config_id, [one]))
        if has_outcomes:
            outcome = {name: rows[name][i] for name in bundle.outcomes}
            records.append(Reported(at, [LoggedOutcome(f"{i:08}", outcome, f"{i:08}")]))
    log(project, records)
    return rows.height


def log(project: Project, records: Sequence[Record]) -> None:
    traffic = TrafficLog(project.root / "data/traffic", SETTINGS)
    for record in records:
        traffic.append(encode(record))
    traffic.close()


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
    assert "Evidently leaves out rain" not in done.stdout
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
    assert_evidently_agrees(folder)


def farther(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(distance=pl.col("distance") + 1.5)


def a_little_farther(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(distance=(pl.col("distance") * 1.05))


def half_unknown(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(rain=pl.when(pl.col("ride") % 2 == 0).then("rain"))


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda rows: rows, farther, a_little_farther, half_unknown, broken])
def test_evidently_says_of_each_column_what_the_decision_says(rides: Project, change: Change) -> None:
    served(rides, change, has_outcomes=True)
    for words in ((), ("--rows", "350")):
        done = monitor(rides, *words)
        assert done.returncode in (QUIET, ALARM), done.stdout + done.stderr
    folders = [
        folder
        for folder in (rides.root / "reports/monitor").iterdir()
        if (folder / "data_drift.json").exists()
    ]
    assert folders
    for folder in folders:
        assert_evidently_agrees(folder)


def assert_evidently_agrees(folder: Path) -> None:
    """Whether the same columns have drifted on Evidently's pages as have alarms, and test's performance is the same."""
    decision = read_json(folder / "decision.json")
    columns = {row["column"]: row for row in decision["drift"] if row["threshold"] is not None}
    shifted = {row["column"] for row in decision["shifts"] if row["alarm"]}
    alarms = {row["column"] for row in decision["drift"] if row["alarm"]} | (shifted & columns.keys())
    drifted, n_reports = set(), 0
    for name in ("data_drift", "prediction_drift", "target_drift"):
        if (folder / f"{name}.json").exists():
            tests = read_json(folder / f"{name}.json")["tests"]
            failed = {
                test["metric_config"]["params"]["column"]
                for test in tests
                if test["status"] == "FAIL" and test["id"] == "drift"
            }
            [whole] = [test for test in tests if test["id"] != "drift"]
            assert (whole["status"] == "FAIL") == bool(failed), whole
            drifted |= failed
            n_reports += 1
    assert n_reports >= 2
    assert drifted == alarms
    assert 'href="index.html"' in (folder / "data_drift.html").read_text()
    if (folder / "performance.json").exists():
        expected = {(row["target"], row["metric"]): row["test"] for row in decision["quality"]}
        shown = f'"label": "LogLoss", "value": "{expected["late", "log_loss"]:.3f}"'
        assert shown in (folder / "performance.html").read_text()


@pytest.mark.slow
def test_a_full_disk_is_named_by_each_command_of_the_loop_and_leaves_nothing_half_done(
    project: Project, small_disk: Path
) -> None:
    copy = Project(small_disk / "project")
    shutil.copytree(project.root, copy.root, symlinks=True, ignore=shutil.ignore_patterns(".bentoml"))
    served(copy, has_outcomes=True)
    for kilobytes in (0, 100):
        for words in (("collect",), ("monitor", "--no-reports"), ("retrain", "--now", "--cutoff", "2024-03-12"),
                      ("judge",), ("report",), ("predict", "data/raw/rides.csv", "out.parquet"), ("package",)):  # fmt: skip
            leave_free(small_disk, kilobytes * 1000)
            done = copy.run("accord", *words, ok=False)
            assert "Traceback" not in done.stderr, words
            if done.returncode != QUIET:
                assert done.returncode == REFUSED, (words, done.stderr)
                [said] = [line for line in done.stderr.splitlines() if line.startswith("accord: ")]
                # what the failed training had to write is missing for the commands after it
                assert "The disk is full" in said or "is missing" in said, (words, done.stderr)
            assert not [path for path in copy.root.rglob(".*.tmp") if ".dvc" not in path.parts], words
    assert (kilobytes, words) == (100, ("package",))
    (small_disk / "ballast").unlink()
    assert "Collected" in copy.run("accord", "collect").stdout or list(
        (copy.root / "data/batches").glob("*.parquet")
    )


def test_too_little_traffic_is_said_and_is_no_alarm(rides: Project) -> None:
    done = monitor(rides)
    assert (done.returncode, "insufficient: 0 rows" in done.stdout) == (QUIET, True)
    served(rides, lambda rows: rows.head(41))
    done = monitor(rides)
    assert (done.returncode, "insufficient: 41 rows" in done.stdout) == (QUIET, True)


@pytest.mark.slow
def test_outcomes_to_come_and_outcomes_all_alike_are_left_out_of_reports(rides: Project) -> None:
    about = rides.root / "models/bundle/monitoring/about.json"
    said = read_json(about)
    for name, sql in (
        ("late", "delay IS NULL OR delay > 10"),
        ("delay_minutes", "CASE WHEN delay IS NULL THEN 60 ELSE delay END"),
    ):
        said["objective"]["targets"][name]["sql"] = sql
    write_json(about, said)
    n = served(rides)
    done = monitor(rides, "--rows", str(n))
    assert done.returncode == QUIET, done.stdout + done.stderr
    assert "Evidently leaves out performance: insufficient: 0 outcomes of 300" in done.stdout
    shutil.rmtree(rides.root / "data/traffic")
    served(rides, lambda rows: rows.with_columns(delay=pl.lit(0.0)), has_outcomes=True)
    done = monitor(rides, "--rows", str(n))
    assert done.returncode == ALARM, done.stdout + done.stderr
    assert "Evidently leaves out performance of delay_minutes: all outcomes are alike" in done.stdout
    assert read_json(rides.root / "reports/decision.json")["window"]["n_labelled"] == n


@pytest.mark.slow
def test_a_decision_outlives_reports_that_fail(rides: Project) -> None:
    n = served(rides, broken)
    (rides.root / ".evidently").write_text("no folder")
    done = monitor(rides, "--rows", str(n))
    assert done.returncode not in (QUIET, ALARM)
    assert read_json(rides.root / "reports/decision.json")["alarms"]


def test_rows_of_a_time_far_ahead_are_not_the_window(rides: Project) -> None:
    n = served(rides)
    bundle = load_bundle(rides.root / "models/bundle")
    predicted = dict.fromkeys(bundle.targets, 0.5)
    times: list[dict[str, object]] = [{}, {"started_at": "2031-07-01T09:00:00"}]
    ahead = [LoggedRow(f"ahead{i}", {"ride": i, **row}, predicted) for i, row in enumerate(times)]
    log(rides, [Predicted(BEGAN + timedelta(days=1), 400, bundle.model_id, bundle.config_id, ahead)])
    done = monitor(rides, "--no-reports")
    assert "Rows left out, for they are far ahead of all others: 2" in done.stdout
    window = read_json(rides.root / "reports/decision.json")["window"]
    assert window["n_rows"] == n
    assert window["end"] < "2024-03-11"


def test_a_service_that_refuses_everything_is_an_alarm(rides: Project) -> None:
    log(rides, [Refused(BEGAN - timedelta(days=1), 100, 422, "rows[0].rain: unknown")] * 3)
    done = monitor(rides, "--no-reports")
    assert done.returncode == ALARM
    assert "3 of 3 requests refused" in done.stdout
    service = read_json(rides.root / "reports/decision.json")["service"]
    assert service["refused_in_a_row"] == service["refused"] == 3
    n = served(rides)
    done = monitor(rides, "--no-reports")
    assert "refused" not in done.stdout
    later = BEGAN + timedelta(hours=1)
    log(rides, [Refused(later + timedelta(seconds=i), 100, 422, "rows[0].rain: unknown") for i in range(40)])
    done = monitor(rides, "--no-reports")
    assert done.returncode == ALARM
    assert f"40 of {n + 40} requests refused" in done.stdout
    assert "none is answered since the last 40" in done.stdout
    assert read_json(rides.root / "reports/decision.json")["service"]["refused_share"] == 40 / (n + 40)
    [folder] = (rides.root / "reports/monitor").glob("20*")
    assert f'<strong class="worse">40 of {n + 40}</strong>' in (folder / "index.html").read_text()
    done = monitor(rides, "--no-reports", "--from", "2024-01-01", "--to", "2024-03-31")
    assert "refused" not in done.stdout


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


def test_the_decision_is_posted_to_the_webhook_and_its_failure_changes_nothing(
    rides: Project, webhook: Webhook
) -> None:
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
