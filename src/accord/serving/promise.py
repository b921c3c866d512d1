"""What the service promises of its requests and answers, as GET /contract gives it."""

from typing import cast

from accord.serving.answers import Contract, Promise
from accord.serving.engine import Engine


def contract(engine: Engine) -> Contract:
    """What a request must keep, as JSON Schema, and what it is answered with."""
    bundle = engine.bundle
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **engine.decoder.json_schema,
        "examples": [{"rows": [bundle.example]}],
        "x-accord": Promise(
            model=bundle.model_id,
            columns={name: column.model_dump() for name, column in bundle.columns.items()},
            context={name: column.model_dump() for name, column in bundle.context.items()},
            outcomes={name: column.model_dump() for name, column in bundle.outcomes.items()},
            key=bundle.key,
            rules=bundle.rules,
            targets=bundle.targets,
        ),
    }
    return cast(Contract, document)
