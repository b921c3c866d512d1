"""What a table that a client sent says of itself before any of it is decoded."""

from typing import NamedTuple


class Head(NamedTuple):
    names: list[str]
    nested: list[str]
    """The columns that hold others, such as lists and structs."""
    n_rows: int
    n_parts: int
    """Row groups of a Parquet file, batches of an Arrow stream."""
    unpacked_bytes: int
    """What it declares to unpack to."""


class HeadError(Exception):
    """The table says what can't be."""
