"""Made-up tables whose truth is known: one leak planted in each, or none."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from accord.data.leaks import Surroundings

START = datetime(2024, 1, 1)
WORDS = np.array(
    ["box", "damp", "torn", "north", "gate", "early", "call", "note", "blue", "line", "door", "rain"]
)


@dataclass(frozen=True)
class World:
    """n rows of customers over 120 days. `late` happens to 13 %, `payout` is 0 where it doesn't and heavy-tailed where
    it does."""

    rng: np.random.Generator
    n: int
    signal: np.ndarray
    customer: np.ndarray
    hours: np.ndarray
    late: np.ndarray
    payout: np.ndarray

    @classmethod
    def of(cls, seed: int, n: int = 20_000, base: float = 0.13, per_customer: int = 10) -> "World":
        rng = np.random.default_rng(seed)
        n_customers = max(2, n // per_customer)
        customer = rng.integers(0, n_customers, n)
        hours = np.sort(rng.uniform(0, 120 * 24, n))
        signal = rng.normal(size=n)
        day = rng.normal(size=121)[(hours // 24).astype(int)]
        score = 1.2 * signal + 0.7 * rng.normal(size=n_customers)[customer] + 0.3 * day
        score += rng.logistic(size=n)
        late = (score > np.quantile(score, 1 - base)).astype(float)
        payout = late * rng.lognormal(4 + 0.3 * signal, 1.0)
        return cls(rng, n, signal, customer, hours, late, payout)

    def target(self, task: str) -> np.ndarray:
        return self.late if task == "binary" else self.payout

    @property
    def event(self) -> pl.Series:
        return times(self.hours)

    def features(self) -> dict[str, object]:
        return {
            "signal": self.signal + self.rng.normal(size=self.n),
            "load": self.rng.gamma(2, 3, self.n),
            "site": self.rng.choice(["a", "b", "c", "d", "e", "f"], self.n),
            "grade": self.rng.integers(0, 5, self.n),
        }

    def around(self) -> Surroundings:
        columns = pl.DataFrame({"happened": self.event, "customer": self.customer})
        return Surroundings(columns, event="happened")

    def with_column(self, **columns: object) -> pl.DataFrame:
        return pl.DataFrame({**self.features(), **columns}, strict=False)

    def hidden(self, where: np.ndarray) -> list[float | None]:
        """Noise, missing where it says."""
        return [
            None if gone else v for gone, v in zip(where, self.rng.normal(size=self.n).tolist(), strict=True)
        ]


def times(hours: np.ndarray) -> pl.Series:
    micros = pl.Series(np.round(hours * 3.6e9).astype(np.int64)).cast(pl.Duration("us"))
    return pl.select(pl.lit(START).cast(pl.Datetime("us")) + micros).to_series()


def split(rows: pl.DataFrame, seed: int) -> dict[str, pl.DataFrame]:
    """The rows dealt at random."""
    names = np.array(["train", "tune", "test", "holdout"])
    lot = pl.Series(np.random.default_rng(seed).choice(names, rows.height, p=[0.55, 0.15, 0.2, 0.1]))
    return {name: rows.filter(lot == name) for name in names}


def group_mean(codes: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (np.bincount(codes, y) / np.maximum(np.bincount(codes), 1))[codes]


def _copy(noise: float) -> Callable[[World, np.ndarray], dict[str, object]]:
    return lambda w, y: {"planted": y + noise * y.std() * w.rng.normal(size=w.n)}


def _flipped(w: World, y: np.ndarray) -> dict[str, object]:
    flip = w.rng.random(w.n) < 0.03
    return {"planted": np.where(flip, 1 - (y > 0), y > 0).astype(float)}


def _next(w: World, y: np.ndarray) -> dict[str, object]:
    return {"planted": np.append(y[1:], 0.0)}


def _next_of_customer(w: World, y: np.ndarray) -> dict[str, object]:
    frame = pl.DataFrame({"c": w.customer, "y": y})
    return {"planted": frame.select(pl.col("y").shift(-1).over("c")).to_series()}


def _entity_mean(noise: float) -> Callable[[World, np.ndarray], dict[str, object]]:
    def planted(w: World, y: np.ndarray) -> dict[str, object]:
        mean = group_mean(w.customer, y)
        return {"planted": mean + noise * mean.std() * w.rng.normal(size=w.n)}

    return planted


def _day_mean(w: World, y: np.ndarray) -> dict[str, object]:
    return {"planted": group_mean((w.hours // 24).astype(int), y)}


def _id_by_outcome(w: World, y: np.ndarray) -> dict[str, object]:
    return {"planted": np.argsort(np.argsort(y + 1e-9 * w.rng.normal(size=w.n)))}


def _null(share: float, of_others: float = 0.0) -> Callable[[World, np.ndarray], dict[str, object]]:
    return lambda w, y: {"planted": w.hidden(w.rng.random(w.n) < np.where(y > 0, share, of_others))}


def _updated(w: World, y: np.ndarray) -> np.ndarray:
    return np.where(y > 0, 24 * w.rng.gamma(3, 5, w.n), w.rng.exponential(6, w.n))


def _only(of_positives: float, of_negatives: float) -> Callable[[World, np.ndarray], dict[str, object]]:
    def planted(w: World, y: np.ndarray) -> dict[str, object]:
        marked = w.rng.random(w.n) < np.where(y > 0, of_positives, of_negatives)
        return {"planted": np.where(marked, "special", w.rng.choice(["x", "y", "z"], w.n))}

    return planted


def _entity_id(w: World, y: np.ndarray) -> dict[str, object]:
    """Customers whose rows have nearly always the same outcome."""
    order = np.argsort(y + 0.02 * w.rng.random(w.n) + (w.rng.random(w.n) < 0.03))
    name = np.empty(w.n, int)
    name[order] = w.rng.permutation(w.n // 8 + 1)[np.arange(w.n) // 8]
    return {"planted": [f"c{i}" for i in name]}


def _slice(w: World, y: np.ndarray) -> dict[str, object]:
    inside = w.rng.random(w.n) < 0.05
    noise = w.rng.permutation(y)
    return {
        "planted": np.where(inside, y, noise),
        "channel": np.where(inside, "desk", w.rng.choice(["app", "web"], w.n)),
    }


def _xor(w: World, y: np.ndarray) -> dict[str, object]:
    a = w.rng.random(w.n) < 0.5
    return {"planted": a.astype(float), "other": (a ^ (y > 0)).astype(float)}


def _text(w: World, y: np.ndarray) -> dict[str, object]:
    words = WORDS[w.rng.integers(0, len(WORDS), (w.n, 4))]
    end = np.where(
        y > 0,
        w.rng.choice(["refund approved", "was late", "compensated"], w.n),
        w.rng.choice(["ok", "fine", ""], w.n),
    )
    return {"planted": [" ".join(row) + f" {tail}" for row, tail in zip(words, end, strict=True)]}


PLANTED: dict[str, Callable[[World, np.ndarray], dict[str, object]]] = {
    "copy": _copy(0.0),
    "copy and noise 0.3": _copy(0.3),
    "copy and noise 0.7": _copy(0.7),
    "copy with 3 % flipped": _flipped,
    "next row's target": _next,
    "customer's next target": _next_of_customer,
    "entity mean": _entity_mean(0.0),
    "entity mean and noise": _entity_mean(0.2),
    "day mean": _day_mean,
    "id sorted by outcome": _id_by_outcome,
    "null at 90 % of positives": _null(0.9),
    "null at 40 % of positives": _null(0.4),
    "null at all positives and 10 % of others": _null(1.0, 0.1),
    "last updated": lambda w, y: {"planted": times(w.hours + _updated(w, y))},
    "last updated less event": lambda w, y: {"planted": _updated(w, y)},
    "entity id": _entity_id,
    "a 5 % slice": _slice,
    "xor": _xor,
    "a level of positives": _only(0.3, 0.0),
    "a level of negatives": _only(0.0, 0.2),
    "a small level": _only(0.03, 0.0),
    "payout and noise": lambda w, y: {"planted": w.payout * w.rng.lognormal(0, 0.5, w.n)},
    "time of the outcome": lambda w, y: {
        "planted": times(w.hours + np.where(y > 0, w.rng.exponential(48, w.n), 24 * 30))
    },
    "text": _text,
}
"""Each adds the column `planted` to a world whose target is y."""


Honest = tuple[pl.DataFrame, dict[str, tuple[np.ndarray, str]], Surroundings]


def _both(w: World, **columns: object) -> Honest:
    frame = w.with_column(**columns)
    return frame, {"late": (w.late, "binary"), "payout": (w.payout, "regression")}, w.around()


def _strong(w: World, apart: float = 2.66) -> np.ndarray:
    """Normal around either outcome, `apart` standard deviations from each other: AUC 0.97."""
    return w.late * apart + w.rng.normal(size=w.n)


def _plain(n: int, n_features: int) -> Callable[[int], Honest]:
    def world(seed: int) -> Honest:
        w = World.of(seed, n)
        more: dict[str, object] = {}
        for j in range(n_features - 4):
            kind = j % 5
            if kind == 0:
                more[f"f{j}"] = w.rng.normal(size=n) + 0.3 * w.rng.random() * w.signal
            elif kind == 1:
                more[f"f{j}"] = w.rng.poisson(w.rng.uniform(0.3, 20), n)
            elif kind == 2:
                names = np.array([f"l{i}" for i in range(int(w.rng.integers(2, 60)))])
                more[f"f{j}"] = w.rng.choice(names, n)
            elif kind == 3:
                more[f"f{j}"] = w.hidden(w.rng.random(n) < w.rng.uniform(0, 0.6))
            else:
                more[f"f{j}"] = w.rng.random(n) < w.rng.uniform(0.02, 0.98)
        return _both(w, **more)

    return world


def _strong_ones(n: int, base: float) -> Callable[[int], Honest]:
    def world(seed: int) -> Honest:
        w = World.of(seed, n, base)
        laplace = w.late * 3.9 + w.rng.laplace(size=n)
        return _both(
            w, strong=_strong(w), tenth=np.round(_strong(w), 1), whole=np.round(_strong(w)), points=np.round(20 * _strong(w)),
            positive=np.exp(_strong(w)), heavy=laplace, heavy_whole=np.round(laplace),
            grade_of=[f"g{int(v)}" for v in np.clip(np.round(_strong(w)), -2, 4)], holes=pl.Series(np.where(w.rng.random(n) < 0.2, np.nan, _strong(w))).fill_nan(None),
        )  # fmt: skip

    return world


def _amounts(n: int) -> Callable[[int], Honest]:
    """Amounts with a normal and a lognormal tail, and features that explain nearly all of them."""

    def world(seed: int) -> Honest:
        w = World.of(seed, n)
        x, price = w.rng.normal(size=n), w.rng.lognormal(3, 1, n)
        size = w.rng.choice(["S", "M", "L", "XL"], n)
        step = np.select([size == "S", size == "M", size == "L"], [0.0, 1.0, 2.0], 3.0)
        frame = w.with_column(x=x, x_tenth=np.round(x, 1), price=price, size=size)
        y = {
            "a": x + 0.23 * w.rng.normal(size=n),
            "b": price * w.rng.lognormal(0, 0.25, n),
            "c": step + 0.5 * w.rng.normal(size=n),
        }
        return frame, {name: (values, "regression") for name, values in y.items()}, w.around()

    return world


def _many_levels(n: int, spread: float) -> Callable[[int], Honest]:
    def world(seed: int) -> Honest:
        rng = np.random.default_rng(seed)
        w = World.of(seed, n)
        odds = np.full(n, -2.3)
        columns: dict[str, object] = {}
        for name, levels in (("town", 300), ("street", n // 10), ("kind", 12), ("shop", 40)):
            code = (levels * rng.random(n) ** 2).astype(int)
            odds += spread * rng.normal(size=levels)[code] / 2
            columns[name] = [f"{name}{c}" for c in code]
            columns[f"{name}_number"] = rng.permutation(levels)[code]
        late = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
        w = World(rng, n, w.signal, w.customer, w.hours, late, late * rng.lognormal(4, 1, n))
        columns["remark"] = [" ".join(row) for row in WORDS[rng.integers(0, len(WORDS), (n, 4))]]
        return _both(w, **columns)

    return world


def _over_time(n: int) -> Callable[[int], Honest]:
    """A trend and seasons in the outcome; features that know the time, the past, and plans."""

    def world(seed: int) -> Honest:
        rng = np.random.default_rng(seed)
        w = World.of(seed, n)
        day = (w.hours // 24).astype(int)
        odds = (
            -3 + 2.5 * w.hours / w.hours.max() + 1.2 * np.sin(day * 2 * np.pi / 7) + rng.normal(size=121)[day]
        )
        odds += 1.0 * rng.normal(size=int(w.customer.max()) + 1)[w.customer]
        late = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
        w = World(rng, n, w.signal, w.customer, w.hours, late, late * rng.lognormal(4, 1, n))
        table = pl.DataFrame({"c": w.customer, "y": late, "p": w.payout, "d": day})
        before = (pl.col("y").cum_sum() - pl.col("y")).over("c")
        n_before = (pl.int_range(pl.len())).over("c")
        past = table.select(
            rate=pl.when(n_before > 0).then(before / n_before), smooth=(before + 0.13 * 5) / (n_before + 5), last=pl.col("y").shift(1).over("c"),
            last_row=pl.col("y").shift(1), paid=(pl.col("p").cum_sum() - pl.col("p")).over("c"), count=n_before, week=pl.col("y").shift(1).rolling_mean(500),
        )  # fmt: skip
        length = rng.gamma(2, 20, n) + 10 * late * rng.random(n)
        return _both(
            w, **past.to_dict(), weekday=day % 7, number=np.arange(n), month=day // 30, hour=(w.hours % 24).astype(int), temperature=rng.normal(size=121)[day].cumsum()[day],
            day_weather=rng.normal(size=121)[day], booked=times(w.hours - rng.exponential(100, n)), ends=times(w.hours + length), since=times(rng.uniform(-9000, 0, w.customer.max() + 1)[w.customer]),
            customer_age=rng.integers(18, 90, w.customer.max() + 1)[w.customer],
        )  # fmt: skip

    return world


HONEST: dict[str, Callable[[int], Honest]] = {
    "5 features": _plain(20_000, 5),
    "45 features": _plain(6_000, 45),
    "185 features": _plain(2_000, 185),
    "strong": _strong_ones(20_000, 0.13),
    "strong, 1 % positives": _strong_ones(20_000, 0.01),
    "strong, half positives": _strong_ones(5_000, 0.5),
    "strong, 2,000 rows": _strong_ones(2_000, 0.13),
    "strong, 600 rows": _strong_ones(600, 0.4),
    "strong, 200 rows": _strong_ones(200, 0.13),
    "strong, 1,000 rows, 1 % positives": _strong_ones(1_000, 0.01),
    "amounts": _amounts(5_000),
    "amounts, 300 rows": _amounts(300),
    "many levels": _many_levels(20_000, 1.0),
    "many levels, wide": _many_levels(5_000, 3.0),
    "many levels, 1,000 rows": _many_levels(1_000, 1.0),
    "over time": _over_time(10_000),
    "over time, 1,500 rows": _over_time(1_500),
}
"""Tables without a leak, by seed."""
