"""Saves one of the bundle's boosters as an MLflow model: save_mlflow_model.py BUNDLE TARGET FOLDER.

MLflow's LightGBM flavour can't serve pandas categoricals over JSON, so the model takes the features as numbers.
"""

import json
import sys
from pathlib import Path

import lightgbm
import mlflow.lightgbm
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

bundle, target, folder = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
encodings = json.loads((bundle / "transform.json").read_text())["encodings"]
inputs = Schema([ColSpec(DataType.double, encoding["name"], required=False) for encoding in encodings])
booster = lightgbm.Booster(model_file=bundle / "models" / target)
mlflow.lightgbm.save_model(booster, folder, signature=ModelSignature(inputs))
