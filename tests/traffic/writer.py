"""A worker that logs until it is killed: prints each record's ids after the log has taken it.

python writer.py FOLDER SETTINGS
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from uuid_utils import uuid7

from accord.schema.serving import Traffic
from accord.traffic.log import NotLoggedError, TrafficLog
from accord.traffic.records import LoggedRow, Predicted, Refused, encode


def work(log: TrafficLog) -> None:
    for i in count():
        ids = [str(uuid7()) for _ in range(1 + i % 3)]
        at = datetime.now(UTC) - timedelta(days=i % 2)
        row = {"i": i, "text": "x" * 200, "number": i / 3}
        rows = [LoggedRow(prediction_id, row, {"late": 0.5}, key=f"k{i}") for prediction_id in ids]
        record = Refused(at, 1, 400, ids[0]) if i % 5 == 0 else Predicted(at, 1, "model", "config", rows)
        try:
            log.append(encode(record))
        except NotLoggedError:
            continue
        finally:
            time.sleep(0.0005)  # some 1,000 records a second
        os.write(1, " ".join(["refused", ids[0]] if i % 5 == 0 else ["predicted", *ids]).encode() + b"\n")


if __name__ == "__main__":
    work(TrafficLog(Path(sys.argv[1]), Traffic.model_validate_json(sys.argv[2])))
