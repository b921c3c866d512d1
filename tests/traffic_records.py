"""Records for tests of the traffic log."""

from datetime import UTC, datetime
from typing import Any

from shipped import shipped
from uuid_utils import uuid7

from accord.schema.serving import Traffic
from accord.traffic.records import LoggedOutcome, LoggedRow, Predicted, Refused, Reported

NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)
SETTINGS = shipped(Traffic, min_free_mb=0, retention_days=36_500)


def predicted(*rows: dict[str, Any], at: datetime = NOON, model: str = "first", **more: Any) -> Predicted:
    logged = [
        LoggedRow(str(uuid7()), row, {"late": 0.25}, score=1.5, action=True, warnings=["careful"], **more)
        for row in rows or ({"distance": 1.5, "station": "north"},)
    ]
    return Predicted(at, 120, model, "c0", logged)


def reported(
    prediction_id: str | None = None,
    key: str | None = None,
    at: datetime = NOON,
    row: dict[str, Any] | None = None,
    **values: Any,
) -> Reported:
    return Reported(at, [LoggedOutcome(str(uuid7()), values, prediction_id, key, row or {})])


def refused(at: datetime = NOON, reason: str = "rows: found 0; expected 1") -> Refused:
    return Refused(at, 15, 400, reason, 12)
