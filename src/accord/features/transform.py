"""The transform from a row's columns to a row of numbers: fitted on train, plain data, the same in serving."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from accord.errors import AccordError
from accord.files import read_json
from accord.models import Feature, Matrix
from accord.schema.config import Features
from accord.schema.data import Column
from accord.sql.rows import TYPES, columns_of, with_derived

RARE, RARE_CAUTIOUS = 10, 20
"""A level seen less often in training counts as unseen, unless the config says otherwise. A few rows of the same weeks say less of a
level than as many from all over."""


@dataclass(frozen=True)
class Encoding:
    """How a feature becomes a number. A category's code is its position in `levels`; one further code stands for levels that
    are rare or unknown in training, and another for missing. A number (levels None) stays as it is, NaN if missing."""

    name: str
    levels: tuple[str, ...] | None = None

    @property
    def feature(self) -> Feature:
        return Feature(self.name, None if self.levels is None else len(self.levels) + 2)


@dataclass(frozen=True)
class Transform:
    inputs: dict[str, str]
    """The columns that a row must have, with their types in the contract."""
    derived: dict[str, str]
    """The derived features, as SQL."""
    encodings: tuple[Encoding, ...]

    @cached_property
    def features(self) -> list[Feature]:
        return [encoding.feature for encoding in self.encodings]

    def matrix(self, rows: pl.DataFrame) -> Matrix:
        """The rows (n) as a row-major matrix (n, n_features). Further columns are ignored, and the order of columns doesn't matter."""
        derived = {
            name: sql for name, sql in self.derived.items() if name in {e.name for e in self.encodings}
        }
        columns = with_derived(
            rows.select(pl.col(name).cast(TYPES[kind]) for name, kind in self.inputs.items()), derived
        )
        X = np.empty((rows.height, len(self.encodings)))
        for j, encoding in enumerate(self.encodings):
            X[:, j] = _encoded(columns[encoding.name], encoding).to_numpy()
        return X

    def unseen(self, rows: pl.DataFrame) -> pl.DataFrame:
        """For each category among the columns, whether a row's level is rare or unknown in training (n rows of booleans)."""
        known = {e.name: e.levels for e in self.encodings if e.levels is not None and e.name in rows.columns}
        return rows.select(
            (pl.col(name).is_not_null() & ~pl.col(name).is_in(list(levels))).alias(name)
            for name, levels in known.items()
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "inputs": self.inputs,
            "derived": self.derived,
            "encodings": [asdict(e) for e in self.encodings],
        }

    @classmethod
    def load(cls, folder: Path) -> "Transform":
        """The transform that stage featurize or a bundle has written to the folder."""
        return cls.from_dict(read_json(folder / "transform.json"))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Transform":
        encodings = (
            Encoding(e["name"], None if e["levels"] is None else tuple(e["levels"]))
            for e in values["encodings"]
        )
        return cls(dict(values["inputs"]), dict(values["derived"]), tuple(encodings))


def feature_names(columns: Mapping[str, Column], derived: Mapping[str, str], settings: Features) -> list[str]:
    """The features in their order: columns of that role, then derived ones, without those that the config drops."""
    names = [*(name for name, column in columns.items() if column.role == "feature"), *derived]
    return [name for name in names if name not in settings.drop]


def input_names(columns: Mapping[str, Column], derived: Mapping[str, str], settings: Features) -> list[str]:
    """The columns that the features are made from, in the contract's order."""
    wanted = set(feature_names(columns, derived, settings))
    for name, sql in derived.items():
        if name in wanted:
            wanted |= columns_of(sql, f"data.derived.{name}")
    return [name for name in columns if name in wanted]


def fit(
    train: pl.DataFrame,
    columns: Mapping[str, Column],
    derived: Mapping[str, str],
    settings: Features,
    cautious: bool = False,
) -> Transform:
    """Fits the transform on the training rows, with fewer levels if it is to be cautious. Raises AccordError if no feature is
    left."""
    rare = settings.rare_level_rows or (RARE_CAUTIOUS if cautious else RARE)
    names = feature_names(columns, derived, settings)
    if not names:
        raise AccordError(
            "data.columns has no feature; expected a column of role feature, or fewer names in features.drop"
        )
    inputs: dict[str, str] = {name: columns[name].type for name in input_names(columns, derived, settings)}
    frame = with_derived(
        train.select(list(inputs)), {name: derived[name] for name in derived if name in names}
    )
    return Transform(
        inputs,
        {n: derived[n] for n in derived if n in names},
        tuple(_fitted(frame[name], rare) for name in names),
    )


def _fitted(column: pl.Series, rare_level_rows: int) -> Encoding:
    if column.dtype != pl.String:
        return Encoding(column.name)
    counts = column.drop_nulls().alias("level").value_counts(name="rows")
    levels = counts.filter(pl.col("rows") >= rare_level_rows)["level"].sort()
    return Encoding(column.name, tuple(levels))


def _encoded(column: pl.Series, encoding: Encoding) -> pl.Series:
    if encoding.levels is None:
        if column.dtype.is_temporal():
            column = column.cast(pl.Datetime("us")).to_physical()
        return column.cast(pl.Float64).fill_null(float("nan"))
    n = len(encoding.levels)
    codes = (
        column.replace_strict(list(encoding.levels), list(range(n)), default=n, return_dtype=pl.Float64)
        if n
        else column.is_null().cast(pl.Float64) * 0
    )
    return pl.select(pl.when(column.is_null()).then(float(n + 1)).otherwise(codes)).to_series()


def save_matrix(path: Path, X: Matrix) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(X))
        file.write(
            np.ascontiguousarray(X).data
        )  # np.save would hide why writing failed, for example because the disk is full


def load_matrix(path: Path) -> Matrix:
    """The matrix mapped into memory, so that a model reads it without a copy."""
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
