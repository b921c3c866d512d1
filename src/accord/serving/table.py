"""Answers as tables: an Arrow stream or a Parquet file, for batches."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl


def written(answers: Sequence[Mapping[str, Any]], is_parquet: bool) -> bytes:
    """The answers (n) as a table, with a row per answer and a column for each of its predictions, beside those of its classes the
    likeliest, called like the target."""
    own = {"score": pl.Float64(), "action": pl.Boolean(), "warnings": pl.List(pl.String())}
    predicted = (
        answers[0]["predictions"] if answers else {}
    )  # without a policy a target may be called score or action
    classified = answers[0].get("classes", {}) if answers else {}
    frame = pl.DataFrame(
        [_flat(answer) for answer in answers],
        schema_overrides={
            **own,
            **dict.fromkeys(predicted, pl.Float64()),
            **dict.fromkeys(classified, pl.String()),
        },
        infer_schema_length=None,
    )
    out = io.BytesIO()
    frame.write_parquet(out) if is_parquet else frame.write_ipc_stream(out)
    return out.getvalue()


def _flat(answer: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in answer.items() if name not in ("predictions", "classes")}
    likeliest = {name: one["class"] for name, one in answer.get("classes", {}).items()}
    return {**own, **answer["predictions"], **likeliest}
