"""The BentoML service: rows in, predictions of all targets out."""

import gc
import os
from pathlib import Path
from typing import Annotated, Any

import bentoml
from pydantic import BaseModel, Field, WithJsonSchema
from starlette.responses import JSONResponse
from uuid_utils import uuid7

from accord import bundle
from accord.paths import BUNDLE
from accord.serving.requests import Decoder, InvalidRowError

# BentoML starts the service in the folder that holds the bundle: the Bento's, or the project's.
BUNDLED = bundle.load(Path(os.environ.get("ACCORD_BUNDLE", BUNDLE)))
DECODER = Decoder(BUNDLED.columns)
MAX_ROWS = int(BUNDLED.manifest["serving"]["max_rows"])

Rows = Annotated[
    list[dict[str, Any]],
    Field(description="Rows as the data contract has them.", examples=[[BUNDLED.example]]),
    WithJsonSchema({"type": "array", "items": DECODER.json_schema, "minItems": 1, "maxItems": MAX_ROWS}),
]


class Prediction(BaseModel):
    """The answer for one row, in the order of the request."""

    prediction_id: str = Field(description="Identifies this prediction for feedback; sorts by time (UUIDv7).")
    predictions: dict[str, float] = Field(description="Each target's prediction.")
    score: float | None = Field(description="How much speaks for acting, by the policy; null without one.")
    action: bool | None = Field(description="Whether the policy acts; null without one.")
    warnings: list[str] = Field(
        description="Why the prediction deserves less trust, such as a level unseen in training."
    )


class Predictions(BaseModel):
    model: str = Field(description="The id of the model that answered.")
    rows: list[Prediction]


@bentoml.service(name="accord", http={"cors": {"enabled": False}}, traffic={"timeout": 30})
class Accord:
    """Predictions of every target of the bundled model, for rows that keep its data contract."""

    def __init__(self) -> None:
        self.bundle = BUNDLED
        self.bundle.predict(
            DECODER.frame([self.bundle.example])
        )  # the first request must not pay for warming up
        gc.collect()
        gc.freeze()  # what start-up made stays; collections need not look at it again

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    def predict(self, rows: Rows) -> Predictions:
        """Predictions for one row or many. A row that breaks the contract is refused with 422, naming row and field."""
        if not 1 <= len(rows) <= MAX_ROWS:
            return refused(f"rows: found {len(rows)}; expected 1 to {MAX_ROWS:,}")
        try:
            frame = DECODER.frame(rows)
        except InvalidRowError as error:
            return refused(str(error))
        answer = {name: values.tolist() for name, values in self.bundle.answer(frame).items()}
        answers = [
            Prediction(
                prediction_id=str(uuid7()),
                predictions={name: answer[name][i] for name in self.bundle.targets},
                score=answer["score"][i] if self.bundle.policy else None,
                action=answer["action"][i] if self.bundle.policy else None,
                warnings=warnings,
            )
            for i, warnings in enumerate(self.bundle.warnings(frame))
        ]
        return Predictions(model=self.bundle.model_id, rows=answers)

    @bentoml.api(route="/model")  # type: ignore[untyped-decorator]
    def model(self) -> dict[str, Any]:
        """The manifest of the model that answers: what it was made from."""
        return self.bundle.manifest


def refused(why: str) -> Predictions:
    # What BentoML sends is the response as it is, whatever the declared type. A BentoMLException would put the message into a list and a stack trace into the log.
    return JSONResponse({"error": why}, status_code=422)  # type: ignore[return-value]
