"""Machine learning on tabular data where every team has a seat; see README.md and docs/."""

__version__ = "0.1.0"
