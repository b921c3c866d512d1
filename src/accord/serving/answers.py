"""What requests are answered with: the service writes these, clients read them, and the OpenAPI document describes them."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import msgspec
from msgspec import UNSET, Meta, UnsetType

Numbers = Mapping[str, float | None]
"""By name. Null stands for what is no finite number, which JSON can't hold."""
Model = Annotated[str, Meta(description="The id of the model that answered.")]
Predictions = Annotated[Numbers, Meta(description="Each target's prediction.")]
Score = Annotated[
    float | None, Meta(description="How much speaks for acting, by the policy; null without one.")
]
Action = Annotated[bool | None, Meta(description="Whether the policy acts; null without one.")]
Warnings = Annotated[list[str], Meta(description="Why a prediction deserves less trust.")]


class Classified(msgspec.Struct, rename={"likeliest": "class"}):
    """What is predicted of a target that has classes."""

    likeliest: Annotated[
        str | None, Meta(description="The class with the largest probability; null if one is missing.")
    ]
    probabilities: Annotated[Numbers, Meta(description="The probability of each class.")]


Classes = Annotated[
    Mapping[str, Classified],
    Meta(description="The likeliest class and the probabilities of all, for each target that has classes."),
]


class Answer(msgspec.Struct):
    """What one row is answered with."""

    prediction_id: Annotated[
        str,
        Meta(
            description="Identifies this prediction; sorts by time (UUIDv7).",
            extra_json_schema={"format": "uuid"},
        ),
    ]
    predictions: Predictions
    score: Score
    action: Action
    warnings: Warnings
    classes: Classes | UnsetType = UNSET
    """Left out where no target has classes."""


class Answers(msgspec.Struct):
    """The answers to the rows of a request, in their order."""

    model: Model
    rows: list[Answer]


class Explained(msgspec.Struct):
    """One row's predictions, and what each feature adds to each target's raw score."""

    predictions: Predictions
    contributions: Annotated[
        Mapping[str, Numbers],
        Meta(description="For each target what each feature adds to the raw score."),
    ]
    score: Score
    action: Action
    warnings: Warnings
    classes: Classes | UnsetType = UNSET
    """Left out where no target has classes."""


class Explanations(msgspec.Struct):
    """The explanations of the rows of a request, in their order."""

    model: Model
    rows: list[Explained]


class Received(msgspec.Struct):
    """What reported outcomes are answered with."""

    outcomes: Annotated[int, Meta(description="How many were logged.")]


class Readiness(msgspec.Struct):
    """The state of the service."""

    ready: Annotated[bool, Meta(description="Whether requests are answered.")]
    problems: Annotated[list[str], Meta(description="What is wrong, if anything is.")]


class PolicyInUse(msgspec.Struct):
    """The policy as it is applied now."""

    model: Annotated[str, Meta(description="The id of the model that it belongs to.")]
    policy: Annotated[
        dict[str, Any] | None, Meta(description="Its weights and expressions; null if the model has none.")
    ]
    changed: Annotated[bool, Meta(description="Whether its weights were changed since the model was made.")]
    explore: Annotated[float, Meta(description="The share of rows whose action is drawn at random.")]


class Promise(msgspec.Struct):
    """What JSON Schema has no words for: the columns as the config describes them, and what rows are answered with."""

    model: Annotated[str, Meta(description="The id of the model in use.")]
    columns: dict[str, Any]
    context: dict[str, Any]
    outcomes: dict[str, Any]
    key: list[str]
    rules: dict[str, str]
    targets: dict[str, Any]


Contract = TypedDict(
    "Contract",
    {
        "$schema": str,
        "title": str,
        "type": str,
        "properties": dict[str, Any],
        "required": list[str],
        "additionalProperties": bool,
        "examples": list[Any],
        "x-accord": Promise,
    },
)
"""The JSON Schema of a request, with more about it under `x-accord`."""

Manifest = Annotated[
    dict[str, Any], Meta(description="What the model was made from: data, config, code and libraries.")
]


class Refusal(msgspec.Struct):
    """What a request is answered with that is refused, or that failed."""

    error: Annotated[str, Meta(description="Why, in one line.")]
