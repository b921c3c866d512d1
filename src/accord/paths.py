"""Where things are in a project, relative to its root; dvc.yaml says the same in its outs."""

from pathlib import Path

ROWS = Path("data/rows")
VALID = Path("data/valid")
QUARANTINE = Path("data/quarantine")
SPLITS = Path("data/splits")
FEATURES = Path("data/features")
PREDICTIONS = Path("data/predictions")
TRAINED = Path("models/trained")
BUNDLE = Path("models/bundle")
VALIDATION = Path("reports/validation.json")
ACCOUNTING = Path("reports/accounting.json")
EVALUATION = Path("reports/evaluation.json")
METRICS = Path("reports/metrics.json")
PLOTS = Path("reports/plots")
PAGE = Path("reports/index.html")
MEASUREMENT = Path("reports/measurement.json")
MODEL_CARD = Path("reports/model_card.md")
SCORECARD_PAGE = Path("reports/scorecard.html")
SCORECARD = Path("reports/scorecard.json")
TRADEOFF = Path("reports/tradeoff.json")
TRADEOFF_PAGE = Path("reports/tradeoff.html")
