"""What each endpoint answers, but for predictions."""

import hmac
import os
from collections.abc import Callable
from typing import NamedTuple

from accord.serving import openapi, promise
from accord.serving.answers import Explained, Explanations, Received
from accord.serving.asgi import Request, Response, need_json
from accord.serving.handover import TOKEN_VARIABLE
from accord.serving.predictions import Predictions
from accord.serving.refusals import RETRY_LATER, RefusedError
from accord.serving.requests import InvalidRowError
from accord.serving.state import State
from accord.traffic import records
from accord.traffic.log import NotLoggedError

Handler = Callable[[Request], Response]


class Endpoint(NamedTuple):
    """What answers one method of one path."""

    handler: Handler
    is_slow: bool = False
    """It computes by the batch path, or waits for the disk or for another worker."""


class Endpoints:
    """The handlers of requests, by path and method. Each raises RefusedError for a request that it refuses."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.predictions = Predictions(state)
        self.routes: dict[str, dict[str, Endpoint]] = {
            "/predict": {"POST": Endpoint(self.predictions.answer)},
            "/explain": {"POST": Endpoint(self._explain, is_slow=True)},
            "/outcomes": {"POST": Endpoint(self._outcomes)},
            "/model": {"GET": Endpoint(self._model)},
            "/contract": {"GET": Endpoint(self._contract)},
            "/policy": {"GET": Endpoint(self._policy), "POST": Endpoint(self._change_policy, is_slow=True)},
            "/readyz": {"GET": Endpoint(self._ready)},
            "/metrics": {"GET": Endpoint(self._metrics)},
            "/docs.json": {"GET": Endpoint(self._documents)},
        }

    def _explain(self, request: Request) -> Response:
        engine = self._state.engine
        need_json(request)
        try:
            rows = engine.decoder.rows(request.body)
            answered = engine.answer(rows)
        except InvalidRowError as error:
            raise RefusedError(422, str(error)) from error
        parts = {name: table.to_dicts() for name, table in engine.bundle.explain(engine.frame(rows)).items()}
        explained = [
            Explained(
                a.predictions, {name: parts[name][i] for name in parts}, a.score, a.action, a.warnings,
                engine.classes(a.predictions),
            )
            for i, a in enumerate(answered)
        ]  # fmt: skip
        return Response(records.encode(Explanations(engine.bundle.model_id, explained)))

    def _outcomes(self, request: Request) -> Response:
        _authorise(request)
        need_json(request)
        intake = self._state.engine.intake
        try:
            reported = intake.record(intake.decoder.rows(request.body), request.arrived)
        except InvalidRowError as error:
            raise RefusedError(422, str(error)) from error
        try:
            self._state.log.append(records.encode(reported))
        except NotLoggedError as error:
            raise RefusedError(503, f"the outcomes can't be logged: {error}", RETRY_LATER) from error
        return Response(records.encode(Received(len(reported.rows))))

    def _model(self, _: Request) -> Response:
        return Response(records.encode(self._state.engine.bundle.manifest))

    def _contract(self, _: Request) -> Response:
        return Response(records.encode(promise.contract(self._state.engine)))

    def _policy(self, _: Request) -> Response:
        return Response(records.encode(self._state.model.policy()))

    def _change_policy(self, request: Request) -> Response:
        _authorise(request)
        need_json(request)
        return Response(records.encode(self._state.model.change_policy(request.body, request.client)))

    def _ready(self, _: Request) -> Response:
        readiness = self._state.readiness()
        return Response(records.encode(readiness), status=200 if readiness.ready else 503)

    def _metrics(self, _: Request) -> Response:
        metrics = self._state.metrics
        return Response(metrics.text() + self._state.gauges().encode(), metrics.content_type)

    def _documents(self, _: Request) -> Response:
        return Response(records.encode(openapi.document(self._state.engine)))


def _authorise(request: Request) -> None:
    """Raises RefusedError unless the request has the token that the environment names."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise RefusedError(403, f"this needs a token, and the service was started without {TOKEN_VARIABLE}")
    if not hmac.compare_digest(request.authorization, f"Bearer {token}".encode()):
        raise RefusedError(
            401,
            "this needs the header Authorization: Bearer with the service's token",
            [(b"www-authenticate", b"Bearer")],
        )
