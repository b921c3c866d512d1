"""A service by FastAPI, pydantic and pandas as they are commonly put together."""

from typing import Any

import pandas_model
from fastapi import FastAPI
from pydantic import BaseModel, create_model

TYPES: dict[str, type] = {"integer": int, "number": float, "category": str}

Row = create_model(
    "Row",
    **{
        name: (TYPES[column["type"]] | None, None) if column["nullable"] else (TYPES[column["type"]], ...)
        for name, column in pandas_model.CONTRACT["columns"].items()
    },
)


class Request(BaseModel):
    rows: list[Row]


app = FastAPI()


@app.post("/predict")
def predict(request: Request) -> dict[str, Any]:
    rows = [row.model_dump() for row in request.rows]
    return {"rows": [{"predictions": found} for found in pandas_model.predictions(rows)]}
