"""The BentoML service: what BentoML starts, watches and stops. Requests are answered by the fast path in front of it.

BentoML imports this module twice, in its supervisor and in each worker. Only a worker makes an `Accord`, and only that
loads the model.
"""

import gc
import os
from pathlib import Path
from typing import Annotated, Any

import bentoml
import msgspec
from pydantic import Field, WithJsonSchema

from accord.files import read_json
from accord.paths import Paths
from accord.schema.data import Column
from accord.serving import bentoml_internals, counts, handover
from accord.serving.answers import Answers
from accord.serving.fast_path import FastPath
from accord.serving.guard import end_with_parent, report_deaths
from accord.serving.hosts import Hosts
from accord.serving.output import say
from accord.serving.requests import Decoder
from accord.terminal import take_over_logs

BENTO = Paths(Path())
"""BentoML runs a service in its Bento's folder."""
SETTINGS = handover.load(BENTO.root)
CONTRACT = read_json(BENTO.bundle / "contract.json")
COLUMNS, CONTEXT = (
    {name: Column.model_validate(column) for name, column in CONTRACT[part].items()}
    for part in ("columns", "context")
)
SCHEMA = Decoder(COLUMNS, CONTEXT, SETTINGS.max_rows, SETTINGS.max_text).json_schema["properties"]["rows"]
_, COMPONENTS = msgspec.json.schema_components([Answers])
ANSWERS = COMPONENTS["Answers"]
ANSWERS["properties"]["rows"]["items"] = COMPONENTS["Answer"]  # BentoML follows no references of others
if any("classes" in target for target in CONTRACT["targets"].values()):
    COMPONENTS["Answer"]["properties"]["classes"]["additionalProperties"] = COMPONENTS["Classified"]
else:
    del COMPONENTS["Answer"]["properties"]["classes"]
EXAMPLE = read_json(BENTO.bundle / "example.json")
HOST = (
    "0.0.0.0" if os.environ.get("BENTOML_CONTAINERIZED") else SETTINGS.host
)  # a container's ports are its runner's choice
FAST_PATH = FastPath(bentoml_internals.page_files(), Hosts(SETTINGS.hosts, HOST, SETTINGS.port))
IN_FRONT = bentoml_internals.outermost(FAST_PATH.around)
SUPERVISOR = int(os.environ.setdefault(handover.SUPERVISOR_VARIABLE, str(os.getpid())))
"""The process that imported this module first; its workers inherit its environment. A worker whose supervisor died while it
was starting must end too, or it would keep the port, and answer, for good."""
if os.getpid() != SUPERVISOR:
    end_with_parent(SUPERVISOR)
    from accord.serving import connections

    connections.bound(SETTINGS, FAST_PATH.count)

Rows = Annotated[list[dict[str, Any]], Field(examples=[[EXAMPLE]]), WithJsonSchema(SCHEMA)]
Predictions = Annotated[dict[str, Any], WithJsonSchema(ANSWERS)]


@bentoml.service(
    name="accord",
    workers=SETTINGS.workers,
    http={"host": HOST, "port": SETTINGS.port, "cors": {"enabled": False}},
    logging={"access": {"enabled": False}},  # the traffic log knows more
    metrics={"enabled": False},  # theirs are files that must find room on the disk
    traffic={"timeout": int(SETTINGS.timeout_s) + 1},
    **IN_FRONT,
)
class Accord:
    """Predictions of every target of the model in use, for rows that keep its data contract."""

    def __init__(self) -> None:
        import numpy as np

        from accord.serving.endpoints import Endpoints
        from accord.serving.state import State

        take_over_logs()
        np.seterr(over="ignore")  # an exponential that overflows is infinite, as in the batch path
        home = Paths(handover.home(BENTO.root))
        worker = (bentoml.server_context.worker_index or 1) - 1
        self.state = State(home, BENTO.bundle, SETTINGS, worker)
        FAST_PATH.open(self.state, Endpoints(self.state))
        if bentoml.server_context.worker_index == 1 and not os.environ.get(handover.TOKEN_VARIABLE):
            say(
                f"POST /outcomes and POST /policy are closed: set {handover.TOKEN_VARIABLE}, without which only "
                "`accord serve` on a loopback address has a token"
            )
        gc.collect()
        gc.freeze()  # what start-up made stays; collections need not look at it again

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    def predict(self, rows: Rows) -> Predictions:
        """Predictions for one row or many, each logged before it is answered."""
        return msgspec.json.decode(FAST_PATH.ask(rows), type=dict[str, Any])

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def supervise() -> None:
        """What the supervisor does before it starts the workers."""
        counts.share()
        report_deaths("worker")

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        FAST_PATH.close()
        self.state.close()


if not IN_FRONT:
    Accord.add_asgi_middleware(FAST_PATH.around)  # type: ignore[attr-defined]
