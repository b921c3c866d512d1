"""Text that takes over a page or a terminal which obeys it, and a project that is full of it.

In a page each payload sets `window.ran`, makes an element with the attribute `data-injected`, or asks the address CANARY.
"""

import csv
import io
from datetime import UTC, datetime, timedelta

import yaml
from projects import Project
from traffic_records import SETTINGS

from accord.bundle.bundle import as_json_row, load_bundle
from accord.data import partitions
from accord.traffic.log import TrafficLog
from accord.traffic.records import LoggedOutcome, LoggedRow, Predicted, Record, Refused, Reported, encode

CANARY = "http://canary.invalid"
MARKUP = [
    '</script><svg onload="window.ran=1" data-injected>',
    "<script>window.ran=2</script>",
    f'<img src="{CANARY}/image" onerror="window.ran=3" data-injected>',
    '"><svg onload="window.ran=4" data-injected>',
    "' onmouseover='window.ran=5' data-injected='",
    '" onmouseover="window.ran=6" data-injected="',
    "<!--<script>",
    "-->]]></style></title></textarea><svg/onload=window.ran=7 data-injected>",
    "\u2028window.ran=8//\u2029",
    "{{constructor.constructor('window.ran=9')()}}${window.ran=10}<%= ran %>",
    f"[link](javascript:window.ran=11) ![image]({CANARY}/markdown) <{CANARY}/auto> **bold** `",
    f'<a href="{CANARY}/link" data-injected>link</a><b data-injected>bold</b><br>',
    '<a href="javascript:window.ran=12">link</a>',
    "&lt;svg onload=window.ran=13 data-injected&gt; &#60;b&#62;",
    "$\\href{javascript:window.ran=14}{x}$ %{x} \\u003csvg onload=window.ran=15\\u003e",
    f"<iframe srcdoc='<script>parent.ran=16</script>'></iframe><style>@import '{CANARY}/style'</style>",
]
STEERING = [
    "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\x90q\x9c", "\rover", "two\nALARM lines", "\x7f\x08", "\x85", "\x0b\x0c",
    "\u202eright to left", "\u2066isolated\u2069", "\u2028\u2029",
]  # fmt: skip
ALL = [*MARKUP, *STEERING]
EVERYTHING = " ".join(ALL).replace("${", "$ {")
"""For configs, where `${` refers to another key."""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
STATION = f"'{EVERYTHING.replace(chr(39), chr(39) * 2)}'"


def spoil_config(project: Project) -> None:
    """Puts the payloads wherever the config and the rows of the project take free text."""
    data = yaml.safe_load(project.read("conf/data/rides.yaml"))
    data["description"] = EVERYTHING
    for column in data["columns"].values():
        column["description"] = EVERYTHING
        if column["type"] == "number":
            column["unit"] = EVERYTHING
    for target in data["targets"].values():
        target |= {"owner": EVERYTHING, "description": EVERYTHING}
    data["targets"]["delay_minutes"]["unit"] = EVERYTHING
    data["targets"]["late"]["alternatives"] = {
        "strict": {"description": EVERYTHING, "rows": "delay > 5 AND delay <= 10", "sql": "delay > 5"}
    }
    data["groups"] = ["station"]
    project.write("conf/data/rides.yaml", yaml.safe_dump(data))
    about = {"description": EVERYTHING, "unit": EVERYTHING}
    objective = {
        "name": "hostile",
        "description": EVERYTHING,
        "targets": "${data.targets}",
        "policy": {
            "weights": {"w": 0.5},
            "score": f"1 - w * late + CASE WHEN station = {STATION} THEN 1 ELSE 0 END",
            "action": f"score > 0.9 OR station = {STATION}",
        },
        "metrics": {
            "acted": {"team": EVERYTHING, "sql": "AVG(action)", "better": "higher", "min": 0.999, "weight": 1, **about},
            "gap": {"team": MARKUP[0], "sql": "AVG(action)", "group": "station", "max": 0.001, **about},
        },
    }  # fmt: skip
    project.write("conf/objective/hostile.yaml", yaml.safe_dump(objective))
    project.write("data/raw/rides.csv", _with_stations(project.read("data/raw/rides.csv")))


def _with_stations(rides: str) -> str:
    head, *rows = csv.reader(io.StringIO(rides))
    at = head.index("station")
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(head)
    for i, row in enumerate(rows):
        if i % 2:
            row[at] = ALL[i // 2 % len(ALL)]
        writer.writerow(row)
    return written.getvalue()


def spoil_traffic(project: Project) -> None:
    """Logs predictions, outcomes and refusals that clients filled with the payloads."""
    bundle = load_bundle(project.root / "models/bundle")
    rows = partitions.read(project.root / "data/splits/test")
    answers = bundle.answer(rows)
    contract = rows.select(*bundle.columns, *bundle.context)
    records: list[Record] = []
    for i in range(rows.height):
        row = {name: value for name, value in as_json_row(contract, i).items() if value is not None}
        if i % 5:
            row["station"] = ALL[i % len(ALL)]
        predicted = {name: float(answers[name][i]) for name in bundle.targets}
        one = LoggedRow(
            f"{i:08}", row, predicted, key=f"{ALL[i % len(ALL)]}{i}", warnings=[ALL[i % len(ALL)]]
        )
        at = BEGAN + timedelta(seconds=i)
        records.append(Predicted(at, 400, bundle.model_id, bundle.config_id, [one]))
        outcome = {name: rows[name][i] for name in bundle.outcomes}
        records.append(Reported(at, [LoggedOutcome(f"{i:08}", outcome, f"{i:08}")]))
    records += [Refused(BEGAN + timedelta(seconds=i), 1, 422, text, 12) for i, text in enumerate(ALL)]
    traffic = TrafficLog(project.root / "data/traffic", SETTINGS)
    for record in records:
        traffic.append(encode(record))
    traffic.close()
