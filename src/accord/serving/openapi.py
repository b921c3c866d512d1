"""The OpenAPI document of the service: what BentoML's page at the root shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from accord.page import markdown
from accord.serving.answers import (
    Answers,
    Contract,
    Explanations,
    Manifest,
    PolicyInUse,
    Readiness,
    Received,
    Refusal,
)
from accord.serving.engine import Engine
from accord.serving.weights import PolicyChange

VERSION = "3.1.0"
Schema = dict[str, Any]
Content = dict[str, Any]
"""Of a body, by its media type."""
JSON = "application/json"
BINARY: Content = {
    kind: {"schema": {"type": "string", "format": "binary"}}
    for kind in ("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
}
PLAIN: Content = {"text/plain": {"schema": {"type": "string"}}}
REFERENCE = "#/components/schemas/{name}"
TYPES = (Answers, Explanations, Received, Manifest, Contract, PolicyInUse, Readiness, PolicyChange, Refusal)
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
OF_BODIES = (408, 413, 415, 422)
OF_TOKENS = (401, 403)
REFUSAL: Content = {JSON: {"schema": {"$ref": REFERENCE.format(name="Refusal")}}}


def document(engine: Engine) -> dict[str, Any]:
    """The document for the model in use; its example is a real row."""
    references, components = _described(engine)
    return {
        "openapi": VERSION,
        "info": {
            "title": "accord",
            "version": engine.bundle.model_id,
            "description": "Predictions of every target of one model, for rows that keep its data contract.",
        },
        "servers": [{"url": "."}],
        "paths": _paths(engine, references),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(engine: Engine) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schema of each type, which may be a reference, and what the references name."""
    schemas, components = msgspec.json.schema_components(TYPES, ref_template=REFERENCE)
    for schema in components.values():
        schema["additionalProperties"] = False  # the service says nothing else
    for name in ("Answer", "Explained"):
        components[name]["properties"]["predictions"]["required"] = engine.bundle.predictions
        _describe_classes(components[name], engine)
    if not engine.classified:
        del components["Classified"]
    weights = components["PolicyChange"]["properties"]["weights"]
    weights["properties"] = {name: {"type": "number"} for name in _weights(engine)}
    weights["additionalProperties"] = False
    components["Request"] = _in_markdown(engine.decoder.json_schema)
    components["Outcomes"] = _in_markdown(engine.intake.json_schema)
    return dict(zip(TYPES, schemas, strict=True)), components


def _describe_classes(schema: Schema, engine: Engine) -> None:
    """Puts the model's classes into the schema of an answer, or takes out what an answer without classes leaves out."""
    if not engine.classified:
        del schema["properties"]["classes"]
        return
    of_any, classes = {"$ref": REFERENCE.format(name="Classified")}, schema["properties"]["classes"]
    classes["properties"] = {
        target.name: {
            "allOf": [of_any],
            "properties": {
                "class": {"enum": [*target.task.classes, None]},
                "probabilities": {"required": list(target.task.classes)},
            },
        }
        for target in engine.classified
    }
    classes["required"] = list(classes["properties"])
    schema["required"].append("classes")


def _paths(engine: Engine, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    def answer(kind: Any) -> Content:
        return {JSON: {"schema": schemas[kind]}}

    rows = _body({"$ref": REFERENCE.format(name="Request")}, {"rows": [engine.bundle.example]})
    outcomes = _body({"$ref": REFERENCE.format(name="Outcomes")})
    weights = _body(schemas[PolicyChange], {"weights": _weights(engine), "reason": "a quiet month"})
    changing = (*OF_TOKENS, *OF_BODIES, 503)
    return {
        "/predict": _operation("post", "Predictions for one row or many, each logged before it is answered.", {**answer(Answers), **BINARY}, (*OF_BODIES, 503), {**rows, **BINARY}),
        "/explain": _operation("post", "What each feature adds to each target's raw score; nothing is logged.", answer(Explanations), (*OF_BODIES, 503), rows),
        "/outcomes": _operation("post", "What became of rows that were answered, each named by its prediction or by its key; needs the token.", answer(Received), changing, outcomes, secured=True),
        "/model": _operation("get", "The manifest of the model in use: what it was made from.", answer(Manifest)),
        "/contract": _operation("get", "What a request must keep, as JSON Schema.", answer(Contract)),
        "/policy": {
            **_operation("get", "The policy as it is applied now.", answer(PolicyInUse)),
            **_operation("post", "Sets weights of the policy; needs the token.", answer(PolicyInUse), changing, weights, secured=True),
        },
        "/readyz": _operation("get", "Whether requests are answered, and what is wrong if anything is.", answer(Readiness), (503,), refusal=answer(Readiness)),
        "/livez": _operation("get", "Whether the process lives.", PLAIN),
        "/metrics": _operation("get", "Counts and latencies, for Prometheus.", PLAIN),
    }  # fmt: skip


def _weights(engine: Engine) -> dict[str, float]:
    policy = engine.bundle.policy
    return {} if policy is None else policy.weights


def _body(schema: Schema, example: Any = None) -> Content:
    return {JSON: {"schema": schema} | ({} if example is None else {"example": example})}


def _operation(
    method: str,
    description: str,
    answer: Content,
    refusals: Sequence[int] = (),
    body: Content | None = None,
    secured: bool = False,
    refusal: Content = REFUSAL,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": description,
        "responses": {
            "200": {"description": "The answer.", "content": answer},
            **{str(status): {"description": REFUSALS[status], "content": refusal} for status in refusals},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    if secured:
        operation["security"] = [{"token": []}]
    return {method: operation}


def _in_markdown(schema: Any) -> Any:
    """The schema with its descriptions, which are the config's, as what OpenAPI takes descriptions for."""
    if isinstance(schema, dict):
        return {
            key: str(markdown.escaped(value)) if key == "description" and isinstance(value, str) else _in_markdown(value)
            for key, value in schema.items()
        }  # fmt: skip
    return schema
