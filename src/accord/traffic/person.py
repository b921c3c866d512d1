"""A person whose rows are to be erased, and how these rows are recognised in a table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from accord.errors import AccordError
from accord.schema.data import Data
from accord.traffic.pii import Pseudonyms
from accord.traffic.records import key_text


@dataclass(frozen=True)
class Person:
    texts: frozenset[str]
    """What the log may hold for the person: the text that was given, and its pseudonym."""
    column: str | None
    """The column that names the person. None if the config names none, so that a row is known by its key."""
    key: Sequence[str] = ()
    """The columns that a row's key is made of."""
    ids: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    """Of the person's predictions, by which their outcomes are known."""

    @property
    def integers(self) -> list[int]:
        numbers = (int(text) for text in self.texts if re.fullmatch(r"[+-]?\d{1,19}", text))
        return [value for value in numbers if -(2**63) <= value < 2**63]

    def expression(self, schema: Mapping[str, pl.DataType]) -> pl.Expr:
        """Which rows of a table with these columns are the person's. The log's tables have columns of a request as
        `row|COLUMN` and their own by name; batches have columns by name and the log's as `log|NAME`."""
        of_log = {
            name: f"log|{name}" if "log|prediction_id" in schema else name
            for name in ("prediction_id", "key")
        }
        if (
            self.column is None
            and of_log["key"] not in schema
            and self.key
            and all(name in schema for name in self.key)
        ):
            return pl.struct(self.key).map_elements(self._has_key, pl.Boolean)
        is_log = "prediction_id" in schema and of_log["prediction_id"] == "prediction_id"
        if self.column is None:
            names = [of_log["key"]]
        else:  # the log has columns of its own that may be called so
            names = [f"row|{self.column}", *([] if is_log else [self.column])]
        matches = [
            pl.col(name) == value if schema[name].is_numeric() else pl.col(name).cast(pl.String) == value
            for name in names
            if name in schema
            for value in (self.integers if schema[name].is_numeric() else self.texts)
        ]
        named = [
            pl.col(of_log[name]).is_in(texts)
            for name, texts in (("prediction_id", self.ids), ("key", self.keys))
            if of_log[name] in schema and texts
        ]
        return pl.any_horizontal(pl.lit(False), *matches, *named).fill_null(False)

    def _has_key(self, values: dict[str, Any]) -> bool:
        return key_text([values[name] for name in self.key]) in self.texts


def person(text: str, data: Data, pseudonyms: Pseudonyms) -> Person:
    """The person that `accord forget` was given: a value of `data.subject`, or a row's key if the config names no subject.
    Columns with `pii: hash` may be given as they are or as their pseudonyms."""
    if not text:
        raise AccordError(
            "Whose rows? KEY is empty; expected the person's value of data.subject, or a row's key"
        )
    if data.subject is not None:
        is_hashed = data.columns[data.subject].pii == "hash"
        texts = {text, *([str(pseudonyms.of(text))] if is_hashed else [])}
        return Person(frozenset(texts), data.subject)
    if not data.key:
        raise AccordError(
            "Can't tell whose rows these are: the config has neither data.subject nor data.key; add one of them"
        )
    parts = [text] if len(data.key) == 1 else key_parts(text)
    if len(parts) != len(data.key):
        raise AccordError(
            f"'{text}' is not a key: found {len(parts)} values, expected {len(data.key)} with a bar between them: {'|'.join(data.key)}"
        )
    hashed = [
        pseudonyms.of(part) if data.columns[name].pii == "hash" else part
        for name, part in zip(data.key, parts, strict=True)
    ]
    return Person(frozenset({text, key_text(parts), key_text(hashed)}), None, data.key)


def key_parts(text: str) -> list[str]:
    r"""The values that `records.key_text` has joined.

    >>> key_parts(key_text(["a|b", "c\\", "d"]))
    ['a|b', 'c\\', 'd']
    """
    parts = [""]
    for part in re.findall(r"\\.|.", text, re.DOTALL):
        if part == "|":
            parts.append("")
        else:
            parts[-1] += part[-1]
    return parts
