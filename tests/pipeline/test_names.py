"""A data set whose columns are called like everything that accord, its libraries and its languages call something, through the
whole loop: all figures are those of the same data under harmless names."""

import io
import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from projects import Project
from services import TOKEN, Home, running

from accord.bundle.bundle import as_json_row, load_bundle
from accord.data import partitions
from accord.files import read_json

pytestmark = pytest.mark.slow

OF_FRAMES = """row_id rows split block reasons rule level count counts value values x y side learned judged literal len index level_0
    lost holds constant known decided test train holdout position ordinality"""
OF_THE_LOG = """probability at model warnings config code latency_us outcome_id outcome_at prediction_id status reason n_bytes log
    row predicted actual time decision month day weights kind"""
OF_LIBRARIES = """filter columns column_names primary_key schema validate cast target prediction id timestamp datetime label keys items
    get pop properties additionalProperties Row Request self cls exprs schema_overrides"""
OF_LANGUAGES = (
    """select order group where having limit by table class def lambda import from null_ true_ inf nan"""
)
OF_SETTINGS = """duplicates features predictions targets policy data segment team metric objective error explain contributions"""
WITHOUT_A_POLICY = ("score", "action", "actual_late")
"""Names that SQL of the policy and of metrics may use, so that they are refused where there is any."""
NAMES = " ".join((OF_FRAMES, OF_THE_LOG, OF_LIBRARIES, OF_LANGUAGES, OF_SETTINGS)).split()
N_ROWS, N_ASKED = 1600, 40
SPAN = ("--from", "2024-03-12", "--to", "2024-04-08")

ACTS = """
name: acts
targets: ${data.targets}
policy:
  weights: {w: 1.0, fee: 0.4}
  score: w * late - fee
metrics:
  acted: {team: sales, sql: AVG(action), better: higher, weight: 1, scale: 0.01}
  hits: {team: sales, sql: AVG(actual_late) FILTER (WHERE action), better: higher, weight: 1, scale: 0.01}
"""
"""With an own reading of every name that SQL may use."""


def config(own: dict[str, str], columns: dict[str, str]) -> str:
    """The data set's file, with these columns by type, by the names that they have there."""
    number, integer = (next(n for n, kind in columns.items() if kind == k) for k in ("number", "integer"))
    lines = [f"  {own[name]}: {{type: {kind}, nullable: true}}" for name, kind in columns.items()]
    return "\n".join([
        "name: named", f"sources: {{{own['file']}: {{path: data/raw/named.csv}}}}", f"key: [{own['key']}]",
        f"time: {{event: {own['event']}, label_delay: 1d, zone: UTC}}",
        "columns:", f"  {own['key']}: {{type: integer, role: info}}", f"  {own['event']}: {{type: datetime, role: info}}",
        *lines, f"  {own['outcome']}: {{type: number, role: outcome}}",
        f"derived: {{{own['twice']}: '\"{own[integer]}\" * 2'}}", f"rules: {{{own['bound']}: '\"{own[number]}\" > -1000'}}",
        "split: {cutoff: 2024-03-20, test: 2w, tune: 2w, holdout: 0.1}",
        f"slices: [{own['split']}]", f"groups: [{own['split']}]", "targets:",
        f"  late: {{task: binary, sql: '{own['outcome']} > 4', owner: ops}}", f"  cost: {{task: regression, sql: '{own['outcome']}', owner: ops}}",
    ])  # fmt: skip


def rows(columns: dict[str, str]) -> pl.DataFrame:
    generator = random.Random(5)
    of_kind: dict[str, Callable[[], Any]] = {
        "category": lambda: generator.choice("abcd"),
        "integer": lambda: generator.randint(0, 9),
        "number": lambda: round(generator.gauss(0, 1), 3),
    }
    values = {name: [of_kind[kind]() for _ in range(N_ROWS)] for name, kind in columns.items()}
    parts = zip(values["rows"], values["block"], values["split"], strict=True)
    return pl.DataFrame({
        "key": range(1, N_ROWS + 1),
        "event": [datetime(2024, 1, 1) + timedelta(minutes=i * 100 * 24 * 60 // N_ROWS) for i in range(N_ROWS)],
        **values,
        "outcome": [round(0.5 * a + b + "abcd".index(c) + generator.gauss(0, 1), 3) for a, b, c in parts],
    })  # fmt: skip


def through_the_loop(
    project: Project, own: dict[str, str], columns: dict[str, str], has_policy: bool
) -> dict[str, Any]:
    """The figures of every part of the loop, by part, without the names of columns."""
    project.write("conf/data/named.yaml", config(own, columns))
    project.write("conf/objective/acts.yaml", ACTS)
    data = rows(columns).rename(own, strict=False)
    data.write_csv(project.root / "data/raw/named.csv", datetime_format="%Y-%m-%dT%H:%M:%S")
    objective = f"objective={'acts' if has_policy else 'quality'}"
    project.run(
        "accord", "run", "data=named", objective, "model.n_estimators=20", "evaluation.n_resamples=50"
    )
    project.run("accord", "promote", "--reason", "the first")
    found: dict[str, Any] = {}
    bundle = load_bundle(project.paths.bundle)
    asked = (
        partitions.read(project.paths.splits / "test").select(*bundle.columns, *bundle.context).head(N_ASKED)
    )
    with running(project, Home(project.root)) as service:
        answers = service.ask(*(as_json_row(asked, i) for i in range(N_ASKED)))["rows"]
        single = service.ask(as_json_row(asked, 0))["rows"][0]
        found["answers"] = [
            (one["predictions"], one["score"], one["action"], len(one["warnings"]))
            for one in [single, *answers]
        ]
        parquet, kind = io.BytesIO(), "application/vnd.apache.parquet"
        asked.write_parquet(parquet)
        answer = service.client.post(
            "/predict", content=parquet.getvalue(), headers={"content-type": kind, "accept": kind}
        )
        assert answer.status_code == 200, answer.text
        found["table"] = (
            pl.read_parquet(io.BytesIO(answer.content)).select("late", "cost", "score", "action").rows()
        )
        explained = service.client.post("/explain", json={"rows": [as_json_row(asked, 0)]}).json()["rows"][0]
        found["contributions"] = {
            target: sorted(parts.values()) for target, parts in explained["contributions"].items()
        }
        url = str(service.client.base_url)
        project.run("accord", "replay", "--url", url, *SPAN)
        data.filter(pl.col(own["key"]) % 50 == 0).write_csv(project.root / "outcomes.csv")
        project.run("accord", "outcomes", "outcomes.csv")
        project.run("accord", "collect")
        assert project.run("accord", "monitor", *SPAN, ok=False).returncode in (0, 3)
        [explanation] = (
            project.run("accord", "explain", single["prediction_id"], "--all").stdout.count("\n"),
        )
        found["explained"] = explanation
        found["judged"] = project.run("accord", "judge").stdout.count("pass")
        for suffix in (".csv", ".parquet"):
            write, read = (
                (asked.write_csv, pl.read_csv) if suffix == ".csv" else (asked.write_parquet, pl.read_parquet)
            )
            write(project.root / f"asked{suffix}")
            project.run("accord", "predict", f"asked{suffix}", f"answered{suffix}", "--explain")
            written = read(project.root / f"answered{suffix}")
            found[suffix] = written.select("late", "cost").rows()
            assert written.columns[: asked.width] == asked.columns
        if has_policy:
            found["tradeoff"] = project.run("accord", "tradeoff").stdout.splitlines()[:5]
        forgotten = project.run("accord", "forget", str(asked[own["key"]][3])).stdout
        found["forgotten"] = forgotten.splitlines()[0]
    decision = read_json(project.paths.decision)
    # The log is read in no certain order, and the last bits of sums depend on it.
    for part in ("drift", "shifts", "quality", "teams"):
        plain = ({key: value for key, value in row.items() if key != "column"} for row in decision[part])
        found[part] = sorted(json.dumps(rounded(row), sort_keys=True) for row in plain)
    found["skew"] = decision["skew"]["n_compared"], decision["skew"]["n_different"]
    found["evidently"] = sorted(path.name for path in project.root.glob("reports/monitor/*/*.html"))
    for name in ("test", "reference"):
        kept = pl.read_parquet(project.paths.bundle / f"monitoring/{name}.parquet")
        found[name] = [kept[column].hash(0).to_list() for column in kept.columns]
    evaluation = read_json(project.paths.evaluation)["targets"]
    found["evaluation"] = [
        (target["metrics"], [row["metrics"] for row in target["slices"]]) for target in evaluation.values()
    ]
    return found


def rounded(values: Any) -> Any:
    """The values with floats of ten digits."""
    if isinstance(values, dict):
        return {name: rounded(value) for name, value in values.items()}
    return float(f"{values:.10g}") if isinstance(values, float) else values


@pytest.mark.parametrize("has_policy", [False, True], ids=["no policy", "policy"])
def test_figures_do_not_depend_on_what_columns_are_called(
    new_project: Callable[[], Project], monkeypatch: pytest.MonkeyPatch, has_policy: bool
):
    monkeypatch.setenv("ACCORD_TOKEN", TOKEN)
    names = [*NAMES, *(() if has_policy else WITHOUT_A_POLICY)]
    kinds = ("category", "number", "integer")
    columns = {name: kinds[i % 3] for i, name in enumerate(names)} | {
        "rows": "integer",
        "block": "number",
        "split": "category",
    }
    ours = {
        "file": "rows",
        "key": "key",
        "event": "event",
        "outcome": "outcome",
        "twice": "values_",
        "bound": "reasons",
    }
    hostile = ours | {name: name for name in columns}
    harmless = {name: f"c{i:03}" for i, name in enumerate(columns)} | {name: f"own_{name}" for name in ours}
    found, wanted = (through_the_loop(new_project(), own, columns, has_policy) for own in (hostile, harmless))
    for part, values in wanted.items():
        assert json.dumps(found[part], default=str) == json.dumps(values, default=str), part
    assert {"data_drift.html", "data_quality.html", "prediction_drift.html", "target_drift.html"} <= {
        *found["evidently"]
    }
