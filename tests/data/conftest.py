"""A small data set, and the frames and settings that tests change one thing of."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shipped import shipped

from accord.schema.data import Data


@pytest.fixture
def rides(tmp_path: Path) -> dict[str, Any]:
    """The config of a data set of rides, with the weather joined as of the decision, one hour ahead."""
    pl.DataFrame({
        "ride": [1, 2, 3, 4],
        "place": ["north", "north", "south", "south"],
        "start": [datetime(2024, 3, 1, h) for h in (10, 12, 10, 20)],
        "decided": [datetime(2024, 3, 1, h - 1) for h in (10, 12, 10, 20)],
        "late": [1, 0, 0, 1],
    }).write_parquet(tmp_path / "rides.parquet")  # fmt: skip
    pl.DataFrame({
        "place": ["north", "north", "north", "south"],
        "hour": ["2024-03-01T08:00:00Z", "2024-03-01T09:00:00Z", "2024-03-01T11:00:00Z", "2024-03-01T07:00:00Z"],
        "rain": [0.0, 1.0, 2.0, 3.0],
    }).write_csv(tmp_path / "weather.csv")  # fmt: skip
    pl.DataFrame({"name": ["north", "south"], "height": [10.0, 20.0]}).write_csv(tmp_path / "places.csv")
    return {
        "name": "rides",
        "sources": {
            "rides": {"path": str(tmp_path / "rides.parquet")},
            "places": {"path": str(tmp_path / "places.csv")},
            "weather": {
                "path": str(tmp_path / "weather.csv"),
                "available_at": "strptime(hour, '%Y-%m-%dT%H:%M:%SZ') + INTERVAL '30 minutes'",
            },
        },
        "rows": "rides",
        "joins": "SELECT r.*, p.height FROM rides AS r LEFT JOIN places AS p ON r.place = p.name",
        "as_of": {"weather": {"by": ["place"], "columns": ["rain"], "tolerance": "3h"}},
        "key": ["ride"],
        "time": {"event": "start", "decision": "decided"},
        "columns": {
            "ride": {"type": "integer", "role": "info"},
            "start": {"type": "datetime", "role": "info"},
            "decided": {"type": "datetime", "role": "info"},
            "place": {"type": "category"},
            "height": {"type": "number"},
            "rain": {"type": "number", "nullable": True},
            "late": {"type": "integer", "role": "outcome"},
        },
        "targets": {"late": {"task": "binary", "sql": "late = 1"}},
    }


@pytest.fixture
def days() -> pl.DataFrame:
    """Rows every six hours, from three in the morning, for 120 days of 2024, keyed by `id`."""
    start = datetime(2024, 1, 1, 3)
    return pl.DataFrame(
        {"id": range(480), "at": [start + timedelta(hours=6 * i) for i in range(480)]}
    ).with_columns(pl.col("at").cast(pl.Datetime("us")))


@pytest.fixture
def data_with() -> Any:
    """Builds Data around a split, a time, or other parts that a test cares for."""

    def build(**parts: Any) -> Data:
        plain = {
            "name": "days",
            "sources": {"days": {"path": "days.csv"}},
            "columns": {
                "id": {"type": "integer", "role": "info"},
                "at": {"type": "datetime", "role": "info"},
            },
            "targets": {"y": {"task": "regression", "sql": "id"}},
        }
        return shipped(Data, **{**plain, **parts})

    return build
