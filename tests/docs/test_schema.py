"""docs/schema: what editors know of conf/ is what the config takes, and refuses what the config refuses."""

import json
import runpy
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import validator_for
from projects import ROOT

CONF = ROOT / "conf"
FILES = [path for path in sorted(CONF.rglob("*.yaml")) if path.name != "_base.yaml"]
TYPOS: list[tuple[str, str, Any]] = [
    ("data/flights", "colums", {}),
    ("data/flights", "columns.distance.typ", "number"),
    ("data/flights", "columns.distance.type", "nubmer"),
    ("data/flights", "columns.distance.role", "feture"),
    ("data/flights", "columns.distance.min", "low"),
    ("data/flights", "columns.2nd_leg", {"type": "number"}),
    ("data/flights", "sources.flights.seperator", ";"),
    ("data/flights", "split.tset", "1mo"),
    ("data/flights", "split.test", "a month"),
    ("data/flights", "time.label_delay", "1 day"),
    ("data/flights", "time.evnt", "scheduled"),
    ("data/flights", "checks.leaks.action", "refuse"),
    ("data/flights", "targets.disruption.tsk", "binary"),
    ("data/flights", "key", "flight"),
    ("features/default", "dorp", []),
    ("features/default", "rare_level_rows", 0),
    ("model/lightgbm", "learning_rte", 0.1),
    ("model/lightgbm", "learning_rate", "fast"),
    ("model/linear", "n_estimators", 100),
    ("objective/balanced", "metrics.margin.wieght", 1),
    ("objective/balanced", "metrics.margin.better", "hihger"),
    ("objective/balanced", "policy.weights.w", "half"),
    ("objective/balanced", "promotion.level", 95),
    ("engine/local", "memory", "6G"),
    ("engine/local", "workers", 0),
    ("serving/default", "prot", 3000),
    ("serving/default", "port", "3000"),
    ("serving/default", "traffic.max_gb", 1),
    ("monitoring/default", "windw", "7d"),
    ("retraining/default", "windw", "6mo"),
    ("experiment/quick", "modle", "linear"),
    ("config", "evaluation.levl", 0.9),
    ("config", "sede", 2),
]


def group_of(path: Path) -> str:
    return path.stem if path.parent == CONF else path.parent.name


def values_of(path: Path) -> Any:
    """What the file holds, with dates as editors see them."""
    return json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str))


def refused(group: str, values: Any) -> bool:
    schema = json.loads((ROOT / f"docs/schema/{group}.json").read_text(encoding="utf-8"))
    return not validator_for(schema).is_valid(values)


def test_the_schemas_are_up_to_date():
    written = runpy.run_path(str(ROOT / "docs/schema.py"))["schemas"]()
    kept = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs/schema").glob("*.json")}
    assert kept == written, "Write them anew: make schema"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{group_of(path)}-{path.stem}")
def test_a_shipped_file_names_its_schema_and_keeps_it(path: Path):
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    named = (path.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve()
    assert named == ROOT / f"docs/schema/{group_of(path)}.json"
    assert not refused(group_of(path), values_of(path))


@pytest.mark.parametrize(("file", "key", "value"), TYPOS, ids=lambda one: str(one))
def test_what_is_mistyped_is_refused(file: str, key: str, value: Any):
    path = CONF / f"{file}.yaml"
    values = deepcopy(values_of(path))
    *parents, last = key.split(".")
    inner = values
    for name in parents:
        inner = inner.setdefault(name, {})
    inner[last] = value
    assert refused(group_of(path), values)


def test_a_reference_stands_for_any_value():
    assert not refused("serving", {"port": "${oc.env:PORT}", "workers": "${oc.env:WORKERS,2}"})


def test_keys_say_what_they_mean():
    schema = json.loads((ROOT / "docs/schema/engine.json").read_text(encoding="utf-8"))
    assert "cgroup" in schema["properties"]["memory"]["description"]
