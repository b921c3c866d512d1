"""Requests and answers as tables: an Arrow stream or a Parquet file, for batches."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from accord.serving.requests import Decoder, InvalidRowError


def rows(body: bytes, is_parquet: bool, decoder: Decoder) -> list[dict[str, Any]]:
    """The table's rows (n), each by column. Raises InvalidRowError if it is no table, or a larger one than is allowed."""
    kind = "Parquet file" if is_parquet else "Arrow stream"
    try:
        if is_parquet:
            n_rows = pl.scan_parquet(io.BytesIO(body)).select(pl.len()).collect().item()
            if n_rows > decoder.max_rows:
                raise InvalidRowError(f"rows: found {n_rows:,}; expected 1 to {decoder.max_rows:,}")
            frame = pl.read_parquet(io.BytesIO(body))
        else:
            frame = pl.read_ipc_stream(io.BytesIO(body), use_pyarrow=False)
        if frame.height > decoder.max_rows:
            raise InvalidRowError(f"rows: found {frame.height:,}; expected 1 to {decoder.max_rows:,}")
        longest = frame.select(pl.col(pl.String).str.len_chars().max())
        for name in longest.columns:
            if (longest[name][0] or 0) > decoder.max_text:
                raise InvalidRowError(
                    f"{name[:200]}: expected text of at most {decoder.max_text:,} characters"
                )
        return frame.to_dicts()
    except (PolarsError, PanicException, OSError, ValueError) as error:
        raise InvalidRowError(f"the body is no {kind}: {' '.join(str(error).split())[:200]}") from error


def written(answers: Sequence[Mapping[str, Any]], is_parquet: bool) -> bytes:
    """The answers (n) as a table: a line a row, a column a target."""
    frame = pl.DataFrame(
        [{**{k: v for k, v in a.items() if k != "predictions"}, **a["predictions"]} for a in answers],
        schema_overrides={"score": pl.Float64, "action": pl.Boolean, "warnings": pl.List(pl.String)},
        infer_schema_length=None,
    )
    out = io.BytesIO()
    frame.write_parquet(out) if is_parquet else frame.write_ipc_stream(out)
    return out.getvalue()
