"""Answering requests for predictions: decoded and checked, answered, and logged before the answer goes out."""

import time
from collections.abc import Sequence
from datetime import datetime

import msgspec
from uuid_utils import uuid7

from accord.serving import table
from accord.serving.answers import Answer, Answers
from accord.serving.asgi import ARROW, JSON, PARQUET, Request, Response, quoted
from accord.serving.bodies import QUICK_BYTES
from accord.serving.engine import Answered, Engine
from accord.serving.reader import NotReadError, Reader, Task
from accord.serving.refusals import RETRY_LATER, RefusedError
from accord.serving.requests import InvalidRowError, Row
from accord.serving.state import State
from accord.traffic import records
from accord.traffic.log import NotLoggedError


class Predictions:
    """Answers requests for predictions, and logs those that it refuses."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._reader = Reader(state.settings.timeout_s)

    def close(self) -> None:
        self._reader.close()

    def answer(self, request: Request, quick: bool = True) -> Response:
        """The predictions. Raises RefusedError. One thread at a time may call it for requests that are quick."""
        # Read once: all of the answer comes from this model, whatever is loaded meanwhile.
        engine = self._state.engine
        try:
            if request.content_type == JSON:
                rows = engine.decoder.rows(request.body)
                quick = quick and len(request.body) <= QUICK_BYTES
            else:
                rows, quick = engine.decoder.rows(self._json_of_table(engine, request)), False
            answered = engine.explored(engine.answer_quickly(rows) if quick else engine.answer(rows))
        except InvalidRowError as error:
            raise RefusedError(422, str(error)) from error
        answers, logged = _identified(engine, rows, answered)
        self._log(request, engine, logged)
        wanted = request.accept.partition(b";")[0]
        if wanted in (ARROW, PARQUET):
            return Response(_as_table(engine.bundle.model_id, answers, wanted), wanted)
        return Response(records.encode(Answers(engine.bundle.model_id, answers)))

    def log_refusal(self, refused: RefusedError, arrived: datetime, started: int, n_bytes: int) -> None:
        """Logs that a request was refused, if that can be logged."""
        latency_us = (time.perf_counter_ns() - started) // 1000
        reason = self._state.engine.logging.words(refused.reason)
        record = records.Refused(arrived, latency_us, refused.status, reason, n_bytes)
        try:
            self._state.log.append(records.encode(record))
        except NotLoggedError:
            self._state.metrics.not_logged(0)

    def _json_of_table(self, engine: Engine, request: Request) -> bytes:
        """A request that is an Arrow stream or a Parquet file, in JSON."""
        kind = request.content_type
        if kind not in (ARROW, PARQUET):
            expected = ", ".join(k.decode() for k in (JSON, ARROW, PARQUET))
            raise RefusedError(415, f"the content type is {quoted(kind)}; expected one of {expected}")
        decoder, settings = engine.decoder, self._state.settings
        max_bytes = int(settings.max_mb * 1e6)
        task = Task(
            kind == PARQUET,
            decoder.names,
            decoder.max_rows,
            decoder.max_text,
            max_bytes,
            settings.table_cpu_s,
        )
        try:
            return self._reader.json(request.body, task)
        except NotReadError as error:
            raise InvalidRowError(str(error)) from error

    def _log(self, request: Request, engine: Engine, rows: list[records.LoggedRow]) -> None:
        """Logs the request with its answers. Raises RefusedError if it can't be logged and may not be answered then."""
        state, bundle = self._state, engine.bundle
        latency_us = (time.perf_counter_ns() - request.started) // 1000
        record = records.Predicted(
            request.arrived, latency_us, bundle.model_id, bundle.config_id, rows, engine.weights, state.code
        )
        try:
            state.log.append(records.encode(record))
        except NotLoggedError as error:
            state.metrics.not_logged(len(rows))
            if state.settings.traffic.when_full == "refuse":
                reason = f"nothing is predicted that can't be logged: {error}"
                raise RefusedError(503, reason, RETRY_LATER) from error


def _identified(
    engine: Engine, rows: Sequence[Row], answered: Sequence[Answered]
) -> tuple[list[Answer], list[records.LoggedRow]]:
    """The rows' answers with ids, and what the log keeps of them."""
    answers, logged = [], []
    for row, (predictions, score, action, warnings, probability) in zip(rows, answered, strict=True):
        prediction_id = str(uuid7())
        kept, key = engine.logging(row)
        noted = [engine.logging.words(warning) for warning in warnings]
        classes = engine.classes(predictions)
        answers.append(Answer(prediction_id, predictions, score, action, warnings, classes))
        logged.append(
            records.LoggedRow(prediction_id, kept, predictions, key, score, action, probability, noted)
        )
    return answers, logged


def _as_table(model: str, answers: Sequence[Answer], kind: bytes) -> bytes:
    return table.written(
        [msgspec.to_builtins(answer) | {"model": model} for answer in answers], kind == PARQUET
    )
