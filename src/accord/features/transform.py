"""The transform from a row's columns to a row of numbers: fitted on train, plain data, the same in serving."""

from collections.abc import Iterable, Iterator, Mapping
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
from accord.sql.rows import TYPES, columns_of, errors_after, with_derived

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
        encoded = columns.select(_encoded(columns.schema[e.name], e) for e in self.encodings)
        X = np.empty((rows.height, len(self.encodings)))
        for j, values in enumerate(encoded.get_columns()):
            X[:, j] = values.to_numpy()
        return X

    def matrices(self, chunks: Iterable[pl.DataFrame]) -> Iterator[Matrix]:
        """The same of rows in chunks, a matrix each."""
        n_before = 0
        for rows in chunks:
            with errors_after(n_before):
                X = self.matrix(rows)
            yield X
            n_before += rows.height

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
    return fit_chunks([train], columns, derived, settings, cautious)


def fit_chunks(
    train: Iterable[pl.DataFrame],
    columns: Mapping[str, Column],
    derived: Mapping[str, str],
    settings: Features,
    cautious: bool = False,
) -> Transform:
    """The same on training rows that come in chunks, one or more, however they are cut."""
    rare = settings.rare_level_rows or (RARE_CAUTIOUS if cautious else RARE)
    names = feature_names(columns, derived, settings)
    if not names:
        raise AccordError(
            "data.columns has no feature; expected a column of role feature, or fewer names in features.drop"
        )
    inputs: dict[str, str] = {name: columns[name].type for name in input_names(columns, derived, settings)}
    derived = {name: derived[name] for name in derived if name in names}
    counts: dict[str, pl.DataFrame | None] = dict.fromkeys(names)
    n_before = 0
    for chunk in train:
        with errors_after(n_before):
            frame = with_derived(chunk.select(list(inputs)), derived)
        counts = {name: _counted(frame[name], counts[name]) for name in names}
        n_before += chunk.height
    return Transform(inputs, derived, tuple(_fitted(name, counts[name], rare) for name in names))


def _counted(column: pl.Series, before: pl.DataFrame | None) -> pl.DataFrame | None:
    """How many rows each level has, with those counted before; None for a number."""
    if column.dtype != pl.String:
        return None
    counts = column.drop_nulls().alias("level").value_counts(name="rows").cast({"rows": pl.Int64})
    return (
        counts if before is None else pl.concat([before, counts]).group_by("level").agg(pl.col("rows").sum())
    )


def _fitted(name: str, counts: pl.DataFrame | None, rare_level_rows: int) -> Encoding:
    if counts is None:
        return Encoding(name)
    return Encoding(name, tuple(counts.filter(pl.col("rows") >= rare_level_rows)["level"].sort()))


def _encoded(kind: pl.DataType, encoding: Encoding) -> pl.Expr:
    """The numbers of a column of this type."""
    column = pl.col(encoding.name)
    if encoding.levels is None:
        if kind.is_temporal():
            column = column.cast(pl.Datetime("us")).to_physical()
        return column.cast(pl.Float64).fill_null(float("nan"))
    n = len(encoding.levels)
    codes = (
        column.replace_strict(list(encoding.levels), list(range(n)), default=n, return_dtype=pl.Float64)
        if n
        else column.is_null().cast(pl.Float64) * 0
    )
    return pl.when(column.is_null()).then(float(n + 1)).otherwise(codes).alias(encoding.name)


def save_matrix(path: Path, X: Matrix) -> None:
    save_chunks(path, [X], X.shape)


def save_chunks(path: Path, chunks: Iterable[Matrix], shape: tuple[int, ...]) -> None:
    """A matrix of that shape, whose rows come in chunks."""
    # np.save would hide why writing failed, for example because the disk is full
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for X in chunks:
            file.write(np.ascontiguousarray(X).data)


def load_matrix(path: Path) -> Matrix:
    """The matrix mapped into memory, so that a model reads it without a copy."""
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
