"""Retraining: when a new model is due, what it learns from, and what came of it."""
