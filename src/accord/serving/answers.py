"""What requests are answered with, as the service writes it and clients read it."""

from collections.abc import Mapping

import msgspec

Numbers = Mapping[str, float | None]
"""By name. Null stands for what is no finite number, which JSON can't hold."""


class Answer(msgspec.Struct):
    """What one row is answered with."""

    prediction_id: str
    predictions: Numbers
    score: float | None
    action: bool | None
    warnings: list[str]


class Answers(msgspec.Struct):
    model: str
    rows: list[Answer]


class Explained(msgspec.Struct):
    """One row's predictions, and what each feature adds to each target's raw score."""

    predictions: Numbers
    contributions: Mapping[str, Numbers]
    score: float | None
    action: bool | None
    warnings: list[str]


class Explanations(msgspec.Struct):
    model: str
    rows: list[Explained]


class Received(msgspec.Struct):
    outcomes: int
    """How many were logged."""


class Readiness(msgspec.Struct):
    ready: bool
    problems: list[str]
