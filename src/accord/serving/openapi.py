"""The OpenAPI document of the service: what BentoML's page at the root shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from accord.page import markdown
from accord.serving.requests import Decoder

VERSION = "3.1.0"
Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
NUMBERS: Schema = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}
RECEIVED: Schema = {
    "type": "object",
    "properties": {"outcomes": {"type": "integer", "description": "How many were logged."}},
    "required": ["outcomes"],
}
REFUSALS = {
    400: "The request is no proper HTTP.",
    401: "The token is missing or wrong.",
    403: "The service was started without a token.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The content type, or an encoding, is not one that is taken.",
    422: "The body breaks the contract; the reason names row and field.",
    503: "Nothing is answered at the moment, such as when it can't be logged.",
}


def document(
    model_id: str,
    decoder: Decoder,
    outcomes: Schema,
    example: Mapping[str, Any],
    targets: Mapping[str, Any],
    policy: Mapping[str, Any],
) -> dict[str, Any]:
    """The document for the model in use; the example is a real row."""
    scored = {
        "predictions": {**NUMBERS, "required": list(targets), "description": "Each target's prediction."},
        "score": {
            "type": ["number", "null"],
            "description": "How much speaks for acting, by the policy; null without one.",
        },
        "action": {"type": ["boolean", "null"], "description": "Whether the policy acts; null without one."},
        "warnings": {"type": "array", "items": TEXT, "description": "Why a prediction deserves less trust."},
    }
    predicted = {
        "prediction_id": {
            **TEXT,
            "format": "uuid",
            "description": "Identifies this prediction; sorts by time (UUIDv7).",
        },
        **scored,
    }
    contributions = {
        "type": "object",
        "additionalProperties": NUMBERS,
        "description": "For each target what each feature adds to the raw score.",
    }
    rows = {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/Request"},
            "example": {"rows": [example]},
        }
    }
    binary = {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
    }
    weights = {
        "type": "object",
        "properties": {
            "weights": {
                "type": "object",
                "properties": {name: {"type": "number"} for name in policy},
                "additionalProperties": False,
            },
            "reason": {**TEXT, "description": "Why; it is kept."},
        },
        "required": ["weights"],
        "additionalProperties": False,
    }
    change = {
        "application/json": {
            "schema": weights,
            "example": {"weights": dict(policy), "reason": "a quiet month"},
        }
    }
    anything: Schema = {"type": "object"}
    return {
        "openapi": VERSION,
        "info": {
            "title": "accord",
            "version": model_id,
            "description": "Predictions of every target of one model, for rows that keep its data contract.",
        },
        "servers": [{"url": "."}],
        "paths": {
            "/predict": _operation("post", "Predictions for one row or many, each logged before it is answered.", _answers(predicted), (408, 413, 415, 422, 503), {**rows, **binary}, binary),
            "/explain": _operation("post", "What each feature adds to each target's raw score; nothing is logged.", _answers({**scored, "contributions": contributions}), (408, 413, 415, 422, 503), rows),
            "/outcomes": _operation("post", "What became of rows that were answered, each named by its prediction or by its key; needs the token.", RECEIVED, (401, 403, 408, 413, 415, 422, 503), {"application/json": {"schema": {"$ref": "#/components/schemas/Outcomes"}}}, secured=True),
            "/model": _operation("get", "The manifest of the model in use: what it was made from.", anything),
            "/contract": _operation("get", "What a request must keep, as JSON Schema.", anything),
            "/policy": {
                **_operation("get", "The policy as it is applied now.", anything),
                **_operation("post", "Sets weights of the policy; needs the token.", anything, (401, 403, 408, 413, 415, 422, 503), change, secured=True),
            },
            "/readyz": _operation("get", "Whether requests are answered, and what is wrong if anything is.", anything, (503,)),
            "/livez": _operation("get", "Whether the process lives.", None),
            "/metrics": _operation("get", "Counts and latencies, for Prometheus.", None),
        },
        "components": {
            "schemas": {"Request": _in_markdown(decoder.json_schema), "Outcomes": _in_markdown(outcomes), "Refusal": {"type": "object", "properties": {"error": TEXT}, "required": ["error"]}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def _in_markdown(schema: Any) -> Any:
    """The schema with its descriptions, which are the config's, as what OpenAPI takes descriptions for."""
    if isinstance(schema, dict):
        return {
            key: str(markdown.escaped(value)) if key == "description" and isinstance(value, str) else _in_markdown(value)
            for key, value in schema.items()
        }  # fmt: skip
    return schema


def _answers(properties: Mapping[str, Any]) -> Schema:
    row = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "model": {**TEXT, "description": "The id of the model that answered."},
            "rows": {"type": "array", "items": row},
        },
        "required": ["model", "rows"],
    }


def _operation(
    method: str,
    description: str,
    answer: Schema | None,
    refusals: Sequence[int] = (),
    body: Mapping[str, Any] | None = None,
    also: Mapping[str, Any] | None = None,
    secured: bool = False,
) -> dict[str, Any]:
    content = (
        {"text/plain": {"schema": TEXT}}
        if answer is None
        else {"application/json": {"schema": answer}, **(also or {})}
    )
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    found: dict[str, Any] = {
        "summary": description,
        "responses": {
            "200": {"description": "The answer.", "content": content},
            **{str(status): {"description": REFUSALS[status], "content": refusal} for status in refusals},
        },
    }
    if body is not None:
        found["requestBody"] = {"required": True, "content": dict(body)}
    if secured:
        found["security"] = [{"token": []}]
    return {method: found}
