"""Drift of known time and kind, put into data of another kind than the bundled: alarms come then, of that kind, and not before."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from projects import Project
from services import Home, running

from accord import cli
from accord.files import read_json

pytestmark = pytest.mark.slow
FIRST, N_DAYS, ROWS_A_DAY, WINDOW_DAYS = datetime(2024, 1, 1), 240, 150, 10
CUTOFF = 140
SHOP = """
name: shop
sources:
  visits: {path: data/raw/shop.csv}
key: [id]
time: {event: at, label_delay: 1d, zone: UTC}
columns:
  id: {type: integer, role: info}
  at: {type: datetime, role: info}
  size: {type: number}
  colour: {type: category}
  wait: {type: number, nullable: true}
  grade: {type: number}
  bought: {type: integer, role: outcome}
targets:
  buys: {task: binary, sql: bought = 1}
split: {cutoff: 2024-05-20, test: 3w, tune: 3w}
"""
EXPECTED: dict[int, frozenset[tuple[str, str]]] = {
    **dict.fromkeys(range(CUTOFF, 180, WINDOW_DAYS), frozenset()),
    **dict.fromkeys(range(180, 200, WINDOW_DAYS), frozenset({("drift", "size")})),  # visitors are larger
    **dict.fromkeys(range(200, 220, WINDOW_DAYS), frozenset({("drift", "wait")})),  # a clock that fails
    **dict.fromkeys(range(220, 240, WINDOW_DAYS), frozenset({("quality", "buys log_loss")})),  # other tastes
}
"""Alarms that must come by a window's first day; where there are none, none may."""


def visits() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(N_DAYS), ROWS_A_DAY)
    second = np.sort(rng.integers(0, 86_400, (N_DAYS, ROWS_A_DAY)), axis=1).ravel()
    n = len(day)
    size = rng.normal(50, 10, n) + np.where((day >= 180) & (day < 200), 5, 0)
    colour = rng.choice(["red", "green", "blue"], n, p=[0.5, 0.3, 0.2])
    wait, grade = rng.exponential(3, n), rng.integers(0, 20, n).astype(float)
    lost = rng.random(n) < np.where((day >= 200) & (day < 220), 0.25, 0.05)
    odds = (size - 50) / 10 + (colour == "red") - 0.3 * wait + 0.05 * grade
    bought = rng.random(n) < 1 / (1 + np.exp(-odds))
    bought ^= (day >= 220) & (rng.random(n) < 0.25)
    at = [FIRST + timedelta(days=int(d), seconds=int(s)) for d, s in zip(day, second, strict=True)]
    return pl.DataFrame(
        {"id": np.arange(n), "at": at, "size": size, "colour": colour, "grade": grade, "bought": bought.astype(int)}
    ).with_columns(wait=pl.Series(np.where(lost, np.nan, wait)).fill_nan(None))  # fmt: skip


def test_alarms_come_when_the_drift_does_and_are_of_its_kind(
    new_project: Callable[[], Project], accord: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = new_project()
    project.write("conf/data/shop.yaml", SHOP)
    visits().write_csv(project.root / "data/raw/shop.csv")
    project.run("accord", "run", "data=shop", "objective=quality")
    with running(project, Home(project.root)) as service:
        accord(
            project, "replay", "--from", str(day(CUTOFF)), "--to", str(day(N_DAYS)),
            "--url", str(service.client.base_url),
        )  # fmt: skip
    monkeypatch.chdir(project.root)
    for first, expected in EXPECTED.items():
        words = (
            "monitor",
            "--from",
            str(day(first)),
            "--to",
            str(day(first + WINDOW_DAYS - 1)),
            "--no-reports",
        )
        with pytest.raises(SystemExit) as exit_:
            cli.main(words)
        assert exit_.value.code == (3 if expected else 0)
        alarms = {(a["kind"], a["what"]) for a in read_json(project.root / "reports/decision.json")["alarms"]}
        assert expected <= alarms
        assert alarms == set() or expected


def day(number: int) -> date:
    return (FIRST + timedelta(days=number)).date()
