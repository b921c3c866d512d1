"""A BentoML service in the environment that trains: LightGBM's Python package, with pandas and scikit-learn."""

from typing import Any

import bentoml
import pandas_model
import sklearn  # noqa: F401  a training environment's pickles need it


@bentoml.service
class Training:
    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {"rows": [{"predictions": found} for found in pandas_model.predictions(rows)]}
