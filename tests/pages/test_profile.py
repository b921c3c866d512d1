"""The page of a table that was onboarded: each column once, nobody's values, and readable with many columns."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from browser import faults, opened
from shipped import shipped

from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.profiled import Profile, profiled
from accord.data.infer.roles import roles
from accord.files import read_as, write_json
from accord.report.profile import render
from accord.schema.data import LeakCheck

N = 600
RNG = np.random.default_rng(3)
LATE = RNG.random(N) < 0.3
MAILS = [f"anna.{i}@example.org" for i in range(N)]
TABLE: dict[str, Any] = {
    "late": LATE.astype(int).tolist(),
    "distance": [None if i % 7 == 0 else float(v) for i, v in enumerate(RNG.normal(size=N) + LATE)],
    "skewed": RNG.lognormal(0, 3, N).tolist(),
    "stops": RNG.integers(0, 40, N).tolist(),
    "place": RNG.choice([f"place {i}" for i in range(30)], N).tolist(),
    "sunny": (RNG.random(N) < 0.5).tolist(),
    "start": [datetime(2024, 1, 1) + timedelta(hours=int(h)) for h in RNG.integers(0, 9_000, N)],
    "mail": MAILS,
    "date_of_birth": [datetime(1950, 1, 1) + timedelta(days=int(d)) for d in RNG.integers(0, 9_000, N)],
    "empty": [None] * N,
}


def profile(table: dict[str, Any], wanted: str = "late") -> Profile:
    frame = pl.DataFrame(table, strict=False)
    reason = Guess("type", "category", f"such as {MAILS[0]}", "")
    columns = [Inferred(c.name, c.name, (reason,), c, {"": c.null_count()}) for c in frame.iter_columns()]
    return profiled("rides", columns, roles(columns, wanted, shipped(LeakCheck)), wanted)


def test_each_present_value_is_in_one_bin():
    for column in profile(TABLE).columns:
        if column.bins:
            assert sum(one.rows for one in column.bins) == N - column.n_missing, column.name


def test_the_mean_outcome_of_a_bin_is_that_of_its_rows():
    sunny = next(column for column in profile(TABLE).columns if column.name == "sunny")
    rows = np.array(TABLE["sunny"])
    assert {one.label: one.outcome for one in sunny.bins} == pytest.approx({
        "true": LATE[rows].mean(), "false": LATE[~rows].mean(),
    })  # fmt: skip


def test_bins_explain_nothing_of_noise_and_all_of_a_copy():
    table = TABLE | {"noise": RNG.choice(list("abcdefgh"), N).tolist(), "copy": LATE.astype(float).tolist()}
    told = {column.name: column.explained for column in profile(table).columns}
    assert told["noise"] < 0.03
    assert told["copy"] == 1


def test_nothing_that_identifies_a_person_is_on_the_page():
    found = profile(TABLE)
    page = render(found)
    mail, birth = (
        next(one for one in found.columns if one.name == name) for name in ("mail", "date_of_birth")
    )
    assert (mail.pii, birth.pii, mail.bins, birth.bins) == ("hash", "hash", [], [])
    others = [one for one in found.columns if one.name in ("mail", "date_of_birth")]
    assert not any("anna." in word.reason for one in others for word in one.guesses)
    assert not any(f"19{year}-" in page for year in range(50, 75))


def test_the_figures_read_again_give_the_same_page(tmp_path: Path):
    found = profile(TABLE)
    write_json(tmp_path / "profile.json", found)
    again = read_as(tmp_path / "profile.json", Profile)
    assert again == found
    assert render(again) == render(found)


def test_classes_are_shown_by_the_share_of_the_commonest():
    table = TABLE | {"species": (["a"] * 300 + ["b"] * 200 + ["c"] * 100)}
    assert profile(table, "species").outcome == "share of a"


def test_five_hundred_columns_make_a_page_that_opens_quickly():
    table = {f"x{i}": RNG.normal(size=N).tolist() for i in range(500)}
    assert len(render(profile({"late": TABLE["late"], **table})).encode()) < 3_000_000


def test_names_and_values_of_the_table_are_text_and_nothing_wider_than_a_phone(tmp_path: Path):
    attack = "<img src=x onerror='window.ran=2'>"
    table = TABLE | {attack: RNG.choice([f"</svg><script>window.ran=2</script>{i}" for i in range(4)], N)}
    page = tmp_path / "profile.html"
    page.write_text(render(profile({**table, attack: table[attack].tolist()})), encoding="utf-8")
    with opened() as browser:
        assert faults(browser, page.as_uri(), "What the data hold", "window.ran=2") == []
        phone = browser.new_page(viewport={"width": 390, "height": 800})
        phone.goto(page.as_uri())
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
