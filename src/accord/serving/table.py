"""Answers as tables: an Arrow stream or a Parquet file, for batches."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl


def written(answers: Sequence[Mapping[str, Any]], is_parquet: bool) -> bytes:
    """The answers (n) as a table, with a row per answer and a column per target."""
    own = {"score": pl.Float64(), "action": pl.Boolean(), "warnings": pl.List(pl.String())}
    predicted = (
        answers[0]["predictions"] if answers else {}
    )  # without a policy a target may be called score or action
    frame = pl.DataFrame(
        [{**{k: v for k, v in a.items() if k != "predictions"}, **a["predictions"]} for a in answers],
        schema_overrides={**own, **dict.fromkeys(predicted, pl.Float64())},
        infer_schema_length=None,
    )
    out = io.BytesIO()
    frame.write_parquet(out) if is_parquet else frame.write_ipc_stream(out)
    return out.getvalue()
