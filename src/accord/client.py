"""Clients of the service for programs. Rows are checked by the service's own contract before they are sent, and answers
have types:

    with Client("http://127.0.0.1:3000") as service:
        [answer] = service.predict({"station": "north", "distance": 8.5}).rows

`AsyncClient` has the same methods, to be awaited. All raise ServiceError.
"""

import io
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, TypeVar

import httpx
import msgspec

from accord.errors import AccordError
from accord.paths import Paths
from accord.schema.data import Column
from accord.serving.answers import Answers, Explanations, Readiness, Received
from accord.serving.requests import Decoder, InvalidRowError
from accord.serving.token import token_for

if TYPE_CHECKING:
    import polars as pl

TIMEOUT_S = 30.0
JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
BROKEN_CONTRACT = 422
MAX_REASON = 300

Row: TypeAlias = Mapping[str, Any] | msgspec.Struct
"""By column, or as an object of the type that `row_type` gives."""
Rows: TypeAlias = Row | Sequence[Row]


class ServiceError(AccordError):
    """The service refused, failed, or isn't there; the reason is one line."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        """Of HTTP, or None if nothing was answered. Rows that break the contract have 422, whether they were sent or not."""


class Ask(NamedTuple):
    """A request to be sent."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}


T = TypeVar("T")
Steps: TypeAlias = Generator[Ask, httpx.Response, T]
"""What a client does for one call: it yields requests, is given their responses, and returns the result."""


class Known(NamedTuple):
    """The contract as it was last read."""

    document: dict[str, Any]
    decoder: Decoder


class Calls:
    """The calls that both clients have, as steps that leave sending to them."""

    def __init__(self, token: str | None, url: str = "") -> None:
        self._token, self._url = token, url
        self._known: Known | None = None

    def predict(self, rows: Rows) -> Steps[Answers]:
        answers = yield from self._by_contract(lambda known: _of_rows("/predict", rows, known, Answers))
        self._answered_by(answers.model)
        return answers

    def explain(self, rows: Rows) -> Steps[Explanations]:
        answers = yield from self._by_contract(lambda known: _of_rows("/explain", rows, known, Explanations))
        self._answered_by(answers.model)
        return answers

    def predict_table(self, rows: "pl.DataFrame") -> Steps["pl.DataFrame"]:
        table = yield from self._by_contract(lambda known: _of_table(rows, known))
        self._answered_by(table["model"][0])
        return table

    def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> Steps[int]:
        body = msgspec.json.encode({"outcomes": outcomes})
        return _decoded((yield Ask("POST", "/outcomes", body, self._with_token)), Received).outcomes

    def model(self) -> Steps[dict[str, Any]]:
        return _decoded((yield Ask("GET", "/model")), dict[str, Any])

    def contract(self) -> Steps[dict[str, Any]]:
        return (yield from self._read()).document

    def row_type(self) -> Steps[type[msgspec.Struct]]:
        known = self._known or (yield from self._read())
        return known.decoder.row_type

    def policy(self) -> Steps[dict[str, Any]]:
        return _decoded((yield Ask("GET", "/policy")), dict[str, Any])

    def set_weights(self, weights: Mapping[str, float], reason: str) -> Steps[dict[str, Any]]:
        body = msgspec.json.encode({"weights": weights, "reason": reason})
        return _decoded((yield Ask("POST", "/policy", body, self._with_token)), dict[str, Any])

    @property
    def _with_token(self) -> dict[str, str]:
        # The project is the one in whose folder the program runs; a program of several gives their tokens.
        token = token_for(self._url, Paths(Path()).token) if self._token is None else self._token
        return {"content-type": JSON} | ({"authorization": f"Bearer {token}"} if token else {})

    def ready(self) -> Steps[Readiness]:
        response = yield Ask("GET", "/readyz")
        try:
            return msgspec.json.decode(response.content, type=Readiness)
        except msgspec.DecodeError:
            return Readiness(False, [_reason(response)])

    def _read(self) -> Steps[Known]:
        document = _decoded((yield Ask("GET", "/contract")), dict[str, Any])
        try:
            self._known = Known(document, _decoder(document))
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceError(
                f"What answers there is no service of accord: its contract lacks {error}"
            ) from error
        return self._known

    def _by_contract(self, ask: Callable[[Known], Steps[T]]) -> Steps[T]:
        """What is answered to rows of the known contract. If they are refused, by it or by the service, the contract is
        read again, and if it has changed the rows are tried once more."""
        known = self._known
        if known is None:
            return (yield from ask((yield from self._read())))
        try:
            return (yield from ask(known))
        except ServiceError as error:
            if error.status != BROKEN_CONTRACT:
                raise
            fresh = yield from self._read()
            if fresh.document == known.document:
                raise
        return (yield from ask(fresh))

    def _answered_by(self, model: str) -> None:
        """Has the contract read again before its next use if another model answers by now."""
        if self._known is not None and self._known.document["x-accord"]["model"] != model:
            self._known = None


def _address(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ServiceError(
            f"'{url}' is no address of a service: {error}; expected one such as http://127.0.0.1:3000"
        ) from error


class Client:
    """A client that waits for answers. Threads may share it.

    The token is the service's, which only `outcomes` and `set_weights` need: by default ACCORD_TOKEN or, for a service of
    this machine, that of the project in the current folder. The timeout is in seconds.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = TIMEOUT_S) -> None:
        self._http = httpx.Client(base_url=_address(url), timeout=timeout)
        self._calls = Calls(token, url)

    def predict(self, rows: Rows) -> Answers:
        """Answers for one row or many, in their order."""
        return self._done(self._calls.predict(rows))

    def predict_table(self, rows: "pl.DataFrame") -> "pl.DataFrame":
        """The same for a Polars table. The result has as many rows, and a column per target beside `prediction_id`, `score`,
        `action`, `warnings` and `model`. Both are sent as Arrow."""
        return self._done(self._calls.predict_table(rows))

    def explain(self, rows: Rows) -> Explanations:
        """Predictions of one row or many, and what each feature adds to them. The service doesn't log them."""
        return self._done(self._calls.explain(rows))

    def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> int:
        """Reports what became of rows; how many outcomes were logged. Each has a `prediction_id`, or the columns of the
        key, and every outcome column."""
        return self._done(self._calls.outcomes(outcomes))

    def model(self) -> dict[str, Any]:
        """The manifest of the model in use."""
        return self._done(self._calls.model())

    def contract(self) -> dict[str, Any]:
        """What rows must keep, as JSON Schema, read afresh."""
        return self._done(self._calls.contract())

    def row_type(self) -> type[msgspec.Struct]:
        """The type of a row, with a field per column; its objects are rows for `predict`."""
        return self._done(self._calls.row_type())

    def policy(self) -> dict[str, Any]:
        """The policy as it is applied now."""
        return self._done(self._calls.policy())

    def set_weights(self, weights: Mapping[str, float], reason: str = "") -> dict[str, Any]:
        """Sets weights of the policy, and leaves others as they are; the policy as it is applied then."""
        return self._done(self._calls.set_weights(weights, reason))

    def ready(self) -> Readiness:
        """Whether requests are answered, and what is wrong if anything is."""
        return self._done(self._calls.ready())

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _done(self, steps: Steps[T]) -> T:
        try:
            ask = next(steps)
            while True:
                ask = steps.send(
                    self._http.request(ask.method, ask.path, content=ask.body, headers=ask.headers)
                )
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        except httpx.HTTPError as error:
            raise _unanswered(self._http.base_url, error) from error


class AsyncClient:
    """A client whose methods are awaited; they are those of Client."""

    def __init__(self, url: str, token: str | None = None, timeout: float = TIMEOUT_S) -> None:
        self._http = httpx.AsyncClient(base_url=_address(url), timeout=timeout)
        self._calls = Calls(token, url)

    async def predict(self, rows: Rows) -> Answers:
        return await self._done(self._calls.predict(rows))

    async def predict_table(self, rows: "pl.DataFrame") -> "pl.DataFrame":
        return await self._done(self._calls.predict_table(rows))

    async def explain(self, rows: Rows) -> Explanations:
        return await self._done(self._calls.explain(rows))

    async def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> int:
        return await self._done(self._calls.outcomes(outcomes))

    async def model(self) -> dict[str, Any]:
        return await self._done(self._calls.model())

    async def contract(self) -> dict[str, Any]:
        return await self._done(self._calls.contract())

    async def row_type(self) -> type[msgspec.Struct]:
        return await self._done(self._calls.row_type())

    async def policy(self) -> dict[str, Any]:
        return await self._done(self._calls.policy())

    async def set_weights(self, weights: Mapping[str, float], reason: str = "") -> dict[str, Any]:
        return await self._done(self._calls.set_weights(weights, reason))

    async def ready(self) -> Readiness:
        return await self._done(self._calls.ready())

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _done(self, steps: Steps[T]) -> T:
        try:
            ask = next(steps)
            while True:
                ask = steps.send(
                    await self._http.request(ask.method, ask.path, content=ask.body, headers=ask.headers)
                )
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        except httpx.HTTPError as error:
            raise _unanswered(self._http.base_url, error) from error


def _of_rows(path: str, rows: Rows, known: Known, kind: type[T]) -> Steps[T]:
    given = [rows] if isinstance(rows, Mapping | msgspec.Struct) else rows
    # An object of the row's type is checked too: nothing was when it was made.
    values = [msgspec.structs.asdict(row) if isinstance(row, msgspec.Struct) else row for row in given]
    body = msgspec.json.encode({"rows": _checked(values, known)})
    return _decoded((yield Ask("POST", path, body, {"content-type": JSON})), kind)


def _of_table(rows: "pl.DataFrame", known: Known) -> Steps["pl.DataFrame"]:
    import polars as pl

    _checked(rows.to_dicts(), known)
    body = io.BytesIO()
    rows.write_ipc_stream(body)
    response = yield Ask("POST", "/predict", body.getvalue(), {"content-type": ARROW, "accept": ARROW})
    return pl.read_ipc_stream(_content(response), use_pyarrow=False)


def _checked(rows: Sequence[Mapping[str, Any]], known: Known) -> list[Any]:
    """The rows as objects of the row's type."""
    try:
        return known.decoder.converted(rows)
    except InvalidRowError as error:
        raise ServiceError(str(error), BROKEN_CONTRACT) from error


def _decoder(contract: Mapping[str, Any]) -> Decoder:
    """The service's own check of rows, made again from what it says of it."""
    rows = contract["properties"]["rows"]
    columns, context = (
        {
            name: Column.model_validate(column, extra="ignore")
            for name, column in contract["x-accord"][part].items()
        }
        for part in ("columns", "context")
    )
    lengths = [
        column["maxLength"] for column in rows["items"]["properties"].values() if "maxLength" in column
    ]
    return Decoder(columns, context, rows["maxItems"], max(lengths, default=0))


def _decoded(response: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_content(response), type=kind)
    except msgspec.DecodeError as error:
        raise ServiceError(
            f"What answers at {response.url} is no service of accord: {error}", response.status_code
        ) from error


def _content(response: httpx.Response) -> bytes:
    if not response.is_success:
        raise ServiceError(_reason(response), response.status_code)
    return response.content


def _reason(response: httpx.Response) -> str:
    """Why a request was refused: in the service's words, or in those of whatever else answered."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        words = " ".join(response.text.split())[:MAX_REASON]
        return f"{response.url} answered {response.status_code}: {words or response.reason_phrase}"


def _unanswered(url: httpx.URL, error: httpx.HTTPError) -> ServiceError:
    if isinstance(error, httpx.ConnectError):
        return ServiceError(f"No service answers at {url}: {error}. Start it: accord serve")
    return ServiceError(f"The service at {url} gave no answer: {str(error) or type(error).__name__}")
