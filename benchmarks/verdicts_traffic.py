"""Sections of verdicts.py on traffic: what monitoring says of windows of which the truth is known, beside Evidently and NannyML's method.

Evidently is run as it comes: each column's default test and threshold, dataset drift from half of the columns on. NannyML's CBPE is
computed as published (Bialek, Kuberski, Perrakis & Bifet 2024): probabilities calibrated on the reference by isotonic regression,
and the expected metric of a chunk alarms beyond three standard errors of the reference's chunks.
"""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from shipped import shipped
from sklearn.isotonic import IsotonicRegression
from verdicts import LEVEL, TARGETS, Table, World

from accord.expectation.calibration import calibrate
from accord.expectation.drift import Kind
from accord.expectation.expectation import SHARES, Expectation
from accord.measures import estimates as estimates_of
from accord.measures.estimates import Implied
from accord.monitoring import columns, estimate, quality, relations
from accord.monitoring.known_rows import selected
from accord.monitoring.maturity import MATURE
from accord.monitoring.observed import EVENT, ID, KNOWN, PROBABILITY, Window
from accord.objective.fairness import restricted
from accord.objective.teams import Played
from accord.schema.data import Time
from accord.schema.loop import Monitoring
from accord.tasks.binary import BINARY
from accord.tasks.registry import all_of

N_DAYS = 28
N_WINDOWS, N_FAULTY = 10, 4
"""Windows per reference, and those of them that faults are put into."""
SHAPES = (
    (5, 600, False), (45, 600, False), (185, 600, False), (5, 6_000, False), (45, 6_000, False), (185, 6_000, False),
    (45, 6_000, True),
)  # fmt: skip
"""Columns, rows of the reference, and whether some of the columns follow time or came once."""


def live(n_worlds: int) -> Table:
    """How often metrics of outcomes alarm, in windows like test and in those where log-odds are higher than predicted."""
    worlds = {
        "independent": World(),
        "rho 0.34": World(rho=0.34),
        "rho 0.34, t3": World(rho=0.34, tails="t3"),
        "rho 0.34, unequal": World(rho=0.34, sizes="unequal"),
    }
    rows = []
    for name, world in worlds.items():
        for n_test, n_days in ((13, 31), (30, 30), (60, 30)):
            alarms = {0.0: 0, 0.5: 0, 1.0: 0}
            for seed in range(n_worlds):
                test = world.played(n_test, np.random.default_rng([seed, n_test]))
                for worse in alarms:
                    rng = np.random.default_rng([seed, n_days, 7])
                    window = replace(world, off=-worse).played(n_days, rng)
                    watched = quality.metrics_of(TARGETS, window)
                    judged = quality.judge(watched, test, window.rows.height, n_days, LEVEL, seed=0)
                    alarms[worse] += any(one.alarm for one in judged.values())
            rows.append([name, str(n_test), str(n_days), *(f"{n / n_worlds:.1%}" for n in alarms.values())])
    head = ["days", "of test", "of the window", "alarms: like test", "0.5 higher", "1.0 higher"]
    return Table("False alarms and power of live metrics (any metric of the target)", head, rows)


def estimates(n_worlds: int) -> Table:
    """Estimated metrics under covariate shift alone, less what is realised on 100,000 rows; CBPE as published beside it."""
    target = all_of(TARGETS)["late"]
    rows = []
    for warp_name, warp in (("calibrated", 1.0), ("too sure (1.5)", 1.5), ("too unsure (0.6)", 0.6)):
        for by in (0.0, 1.0, 2.0, -1.0, -2.0):
            off: dict[str, list[float]] = {}
            n_false = n_theirs = 0
            for seed in range(n_worlds):
                test = _shifted(np.random.default_rng([seed, 0]), 0.0, warp, 20_000)
                window = _shifted(np.random.default_rng([seed, 1]), by, warp, 100_000)
                found = estimate.implication(target, test, seed=0)
                theirs = IsotonicRegression(out_of_bounds="clip").fit(
                    test.predictions["late"], test.outcomes["late"]
                )
                watched = {}
                for name, estimated in BINARY.estimates.items():
                    metric = BINARY.metric(name)
                    realised = quality.watch(window, quality.of_metric(target, metric), metric.better).value
                    watched[name] = found.watched(
                        estimated, metric.better, quality.of_metric(target, metric), window, test
                    )
                    p = window.predictions["late"]
                    likely = theirs.predict(p)
                    as_published = estimated(Implied(p[:, None], likely[:, None], window.block * 0, 1))(
                        np.ones((1, 1))
                    )
                    off.setdefault(name, []).append(abs(watched[name].value - realised))
                    off.setdefault(f"CBPE {name}", []).append(abs(float(as_published[0]) - realised))
                judged = quality.judge(watched, test, 100_000, N_DAYS, LEVEL, seed=0)
                truth = quality.judge(
                    quality.metrics_of(TARGETS, window), test, 100_000, N_DAYS, LEVEL, seed=0
                )
                n_false += any(
                    one.alarm and not truth[quality.TargetMetric("late", name)].alarm
                    for name, one in judged.items()
                )
                n_theirs += _cbpe_alarm(test, theirs.predict(test.predictions["late"]), likely, p)
            cells = [f"{np.mean(off[k]):.4f}, {np.mean(off[f'CBPE {k}']):.4f}" for k in BINARY.estimates]
            rows.append(
                [warp_name, f"{by:+g} sd", *cells, f"{n_false / n_worlds:.0%}", f"{n_theirs / n_worlds:.0%}"]
            )
    head = [
        "predictions",
        "shift",
        *(f"{k}: ours, CBPE" for k in BINARY.estimates),
        "false alarms",
        "CBPE: any AUC alarm",
    ]
    return Table("Mean absolute error of estimates under covariate shift (test of 20,000 rows)", head, rows)


def _shifted(rng: np.random.Generator, by: float, warp: float, n: int) -> Played:
    """Rows whose first column has moved by so many standard deviations; what follows from them has not."""
    logit = rng.normal(by, 1, n) + 0.6 * rng.normal(size=n) - 1.5
    late = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    block = np.arange(n) * N_DAYS // n
    p = 1 / (1 + np.exp(-warp * logit))
    at = np.arange(N_DAYS, dtype=float)
    return Played(
        pl.DataFrame({"i": block}),
        {"late": late},
        {"late": p},
        {"late": p * 0},
        None,
        None,
        block,
        N_DAYS,
        at,
    )


def _cbpe_alarm(test: Played, likely_test: np.ndarray, likely: np.ndarray, p: np.ndarray) -> bool:
    """Whether the estimated AUC leaves the reference's mean of chunks by three of their standard deviations."""
    chunks = [
        estimates_of.auc(Implied(test.predictions["late"][at][:, None], likely_test[at][:, None], at * 0, 1))(
            np.ones((1, 1))
        )[0]
        for at in np.array_split(np.arange(len(likely_test)), 10)
    ]
    value = estimates_of.auc(Implied(p[:, None], likely[:, None], np.zeros(len(p), int), 1))(np.ones((1, 1)))[
        0
    ]
    return bool(abs(value - np.mean(chunks)) > 3 * np.std(chunks))


def drift(n_worlds: int) -> Table:
    """Windows of 3,000 rows without and with faults that leave each column as it was; Evidently's dataset drift beside it."""
    rows, worlds = [], n_worlds // 10
    for n_columns, n_reference, has_seasons in SHAPES:
        for in_time in (True,) if has_seasons else (False, True):
            alarms: dict[str, int] = dict.fromkeys(("none", *FAULTS), 0)
            single = theirs = 0
            for seed in range(worlds):
                past = _rides(n_reference, [seed, 0], n_columns, has_seasons)
                expected = _expected(past, in_time)
                for window in range(N_WINDOWS):
                    whole = _rides(3_000, [seed, window, 1], n_columns, has_seasons)
                    of_columns, any_alarm = _drifted(whole, expected)
                    alarms["none"] += any_alarm
                    single += of_columns
                    if window == 0 and n_columns < 185:
                        theirs += _evidently(past, whole)
                    if window < N_FAULTY:
                        for name, change in FAULTS.items():
                            alarms[name] += _drifted(change(whole), expected)[1]
            n, n_faulty = worlds * N_WINDOWS, worlds * N_FAULTY
            rows.append(
                [
                    f"{n_columns}, 2 of seasons" if has_seasons else str(n_columns),
                    f"{n_reference:,}", "in time" if in_time else "drawn",
                    f"{alarms['none'] / n:.1%}", f"{single / n:.1%}", *(f"{alarms[name] / n_faulty:.0%}" for name in FAULTS),
                    f"{theirs / worlds:.0%}" if n_columns < 185 else "",
                ]
            )  # fmt: skip
    head = [
        "columns",
        "reference",
        "rows",
        "false alarms",
        "of single columns",
        *FAULTS,
        "Evidently: any column, no fault",
    ]
    return Table("Drift in windows of 3,000 rows: false alarms, and faults found", head, rows)


def _rides(n: int, seed: list[int], n_columns: int, has_seasons: bool = False) -> pl.DataFrame:
    """Rows in which `wet` goes with `dark`, `dark` lacks values where it is wet, and shops differ in `wet`. With seasons one
    column is the date as a number, and one is a fair that came once."""
    rng = np.random.default_rng(seed)
    wet = rng.normal(size=n)
    shop = np.array(["a", "b", "c"])[np.digitize(wet + 0.8 * rng.normal(size=n), [-0.6, 0.6])]
    others = {f"other{i}": rng.gamma(2, size=n) for i in range(n_columns - (5 if has_seasons else 3))}
    table = pl.DataFrame({"wet": wet, "dark": 0.7 * wet + 0.7 * rng.normal(size=n), "shop": shop, **others})
    lost = pl.Series((rng.random(n) < 0.2) & (wet > 0))
    place = pl.int_range(pl.len())
    at = pl.datetime(2024, 1, 1) + pl.duration(minutes=place * 10)
    seasons = [(place / 1_000).alias("date"), place.is_between(3_200, 3_600).cast(pl.Float64).alias("fair")]
    return table.with_columns(
        pl.when(~lost).then("dark").alias("dark"), *(seasons if has_seasons else []), at=at
    )


FAULTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "correlation flipped": lambda f: f.with_columns(dark=-pl.col("dark")),
    "nulls moved": lambda f: f.with_columns(
        pl.when((pl.col("wet") > 0) | (pl.int_range(pl.len()) % 5 > 0))
        .then(pl.col("dark").fill_null(0.3))
        .alias("dark")
    ),
    "levels swapped": lambda f: f.with_columns(shop=pl.col("shop").replace({"a": "c", "c": "a"})),
    "sensor stuck": lambda f: f.with_columns(
        other0=pl.when(pl.int_range(pl.len()) % 2 == 0).then(1.7).otherwise("other0")
    ),
    "rows twice": lambda f: pl.concat([f.head(f.height // 2)] * 2),
}


def _expected(past: pl.DataFrame, in_time: bool) -> Expectation:
    kinds: dict[str, Kind] = {n: "category" if n == "shop" else "number" for n in past.columns if n != "at"}
    level = (1 - LEVEL) * SHARES["features"]
    features = calibrate(past, kinds, past["at"] if in_time else None, level=level)
    rest: Any = {"objective": None, "derived": {}, "slices": [], "seed": 0, "level": LEVEL, "baselines": {}}
    time = shipped(Time, event="at") if in_time else None
    return Expectation(**rest, time=time, drift={"features": features}, test=past, reference=past)


def _drifted(rows: pl.DataFrame, expected: Expectation) -> tuple[bool, bool]:
    """Whether any column alarms, and whether that or anything that columns are together does."""
    observed = rows.lazy().with_columns(
        pl.int_range(pl.len()).cast(pl.String).str.zfill(7).alias(ID), pl.col("at").alias(EVENT)
    )
    window = Window(
        None, None, rows.height, 0, (rows["at"].max() - rows["at"].min()).total_seconds() / 3600, {}
    )
    settings = shipped(Monitoring, min_rows=100)
    names = dict.fromkeys(name for name in rows.columns if name != "at")
    bundle: Any = SimpleNamespace(columns=names, context={})
    of_columns = any(row.alarm for row in columns.drift_of_columns(observed, window, expected, settings))
    found = relations.rows_of(observed, window, bundle, expected, settings)
    return of_columns, of_columns or any(row.alarm for row in found)


def _evidently(past: pl.DataFrame, window: pl.DataFrame) -> bool:
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    for name in past.columns:
        sides = [part[name].drop_nulls().to_pandas() for part in (past, window)]
        kind = ColumnType.Categorical if name == "shop" else ColumnType.Numerical
        if name != "at" and get_stattest(*sides, kind, None)(*sides, kind, None).drifted:
            return True
    return False


def outcomes(n_worlds: int) -> Table:
    """Log loss of a bad month by what is known of it, and what is said: the month whole, the known rows, and as compared."""
    ways = ("known by action", "explored 20 %", "by chance")
    rows = []
    for way in ways:
        whole, known_only, ours, alarmed, false = [], [], [], 0, 0
        for seed in range(n_worlds):
            for worse in (0.0, 0.8):
                test = _acted(np.random.default_rng([seed, 2]), 0.0, None)
                month = _acted(
                    np.random.default_rng([seed, 3]), worse, 0.2 if way == "explored 20 %" else None
                )
                chance = np.random.default_rng([seed, 4]).random(len(month.block)) < 0.6
                is_known = chance if way == "by chance" else ~np.asarray(month.action)
                marked = month.rows.with_columns(pl.when(pl.Series(is_known)).then(1).alias(KNOWN))
                known = restricted(month, is_known)
                found = selected(replace(month, rows=marked), known, test, seed=0)
                watched = quality.metrics_of(TARGETS, found.known)
                n_rows = max(1, round(known.rows.height * found.share))
                judged = quality.judge(watched, found.test, n_rows, N_DAYS, LEVEL, seed=0)
                is_alarm = any(one.alarm for one in judged.values())
                if worse:
                    alarmed += is_alarm
                    for part, values in ((month, whole), (known, known_only), (found.known, ours)):
                        values.append(quality.metrics_of(TARGETS, part)[LOG_LOSS].value)
                else:
                    false += is_alarm
        rows.append(
            [
                way,
                *(f"{np.mean(v):.3f}" for v in (whole, known_only, ours)),
                f"{false / n_worlds:.1%}",
                f"{alarmed / n_worlds:.1%}",
            ]
        )
    head = [
        "outcomes known",
        "log loss of the month",
        "of known rows",
        "as reported",
        "false alarms",
        "bad month found",
    ]
    return Table(
        "A bad month (log-odds 0.8 higher than predicted) of which outcomes are known of some rows",
        head,
        rows,
    )


def _acted(rng: np.random.Generator, worse: float, explore: float | None) -> Played:
    """A month in which the policy acts on high scores; explored, at random on a share of rows."""
    day = np.repeat(np.arange(N_DAYS), 500)
    logit = rng.normal(-2, 1, len(day))
    late = (rng.random(len(day)) < 1 / (1 + np.exp(-logit - worse))).astype(float)
    p = 1 / (1 + np.exp(-logit))
    chosen = p > 0.15
    action, probability = chosen, np.full(len(p), np.nan)
    if explore is not None:
        action = np.where(rng.random(len(p)) < explore, rng.random(len(p)) < 0.5, chosen)
        probability = np.where(action == chosen, 1 - explore / 2, explore / 2)
    rows = pl.DataFrame({PROBABILITY: pl.Series(probability).fill_nan(None)})
    rows = rows.with_columns(pl.lit(True).alias(MATURE), pl.lit(1).alias(KNOWN))
    at = np.arange(N_DAYS, dtype=float)
    return Played(rows, {"late": late}, {"late": p}, {"late": p * 0 + 0.15}, p, action, day, N_DAYS, at)


LOG_LOSS = quality.TargetMetric("late", "log_loss")
SECTIONS: dict[str, tuple[Callable[[int], Table], int, int]] = {
    "live": (live, 60, 600),
    "estimates": (estimates, 5, 60),
    "drift": (drift, 10, 100),
    "outcomes": (outcomes, 20, 200),
}
