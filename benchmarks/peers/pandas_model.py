"""The bundle's models by the Python packages that trained them, as services commonly apply them: rows to a DataFrame to
LightGBM. Written for the flights example, whose weekday is the one derived feature.

The bundle's folder is in BUNDLE.
"""

import json
import os
from pathlib import Path
from typing import Any

import lightgbm
import pandas as pd

BUNDLE = Path(os.environ["BUNDLE"])
CONTRACT = json.loads((BUNDLE / "contract.json").read_text())
ENCODINGS = json.loads((BUNDLE / "transform.json").read_text())["encodings"]
BOOSTERS = {name: lightgbm.Booster(model_file=BUNDLE / "models" / name) for name in CONTRACT["targets"]}


def predictions(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Each target's prediction for each row (n)."""
    frame = pd.DataFrame(rows)
    frame["weekday"] = (pd.to_datetime(frame[["year", "month", "day"]]).dt.dayofweek + 1) % 7
    features = pd.DataFrame(
        {e["name"]: encoded(frame[e["name"]], e["levels"]) for e in ENCODINGS}, dtype=float
    )
    found = {name: booster.predict(features) for name, booster in BOOSTERS.items()}
    return pd.DataFrame(found).to_dict("records")


def encoded(column: pd.Series, levels: list[str] | None) -> pd.Series:
    """The place of each level; one more for any other, one more for missing."""
    if levels is None:
        return column
    codes = column.map({level: code for code, level in enumerate(levels)}).fillna(len(levels))
    return codes.where(column.notna(), len(levels) + 1)
