"""What runs beside the requests: the model in use and its successors, the policy's weights, the log, the state of it all."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Any

import msgspec

from accord import bundle as bundles
from accord import paths
from accord.bundle import Bundle
from accord.config.schema import Serving
from accord.errors import AccordError, nearest
from accord.files import read_json
from accord.locks import held
from accord.serving import settings as environment
from accord.serving.documents import document
from accord.serving.engine import Engine
from accord.serving.lane import RefusedError
from accord.serving.metrics import Metrics
from accord.serving.requests import InvalidRowError
from accord.serving.output import encodable, say, say_exception
from accord.traffic.log import TrafficLog
from accord.traffic.pii import Pseudonyms

LOOK_EVERY_S = 0.2
RETRY_EVERY_S = 2.0
"""A champion that couldn't be loaded is tried again, since its bytes may come after its pointer."""
POLICY_CHANGES = "policy.jsonl"
HOUSEKEEPING = "housekeeping.json"
MAX_REASON = 500


class PolicyChange(msgspec.Struct, forbid_unknown_fields=True):
    """What POST /policy takes."""

    weights: dict[str, float]
    reason: str = ""


class RecordedChange(msgspec.Struct):
    """What a change that was made leaves to be applied."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    model: str
    weights: dict[str, float]


class Operations:
    """The state of one worker. A thread follows the pointer to the champion and the changes of the policy's weights,
    which all workers share as files."""

    def __init__(self, home: Path, settings: Serving, worker: int) -> None:
        """`worker` is the number of this one among the service's, from 0."""
        self.settings = settings
        self.metrics = Metrics(worker)
        self._home = home
        self._folder = home / paths.TRAFFIC
        self._reload_problem: str | None = None
        self._tried = 0.0
        self._seen: dict[Path, Any] = {}
        self._changing = threading.Lock()
        self._housekeeper: subprocess.Popen[bytes] | None = None
        self._kept_house = time.monotonic()
        self.log = TrafficLog(self._folder, settings.traffic)
        self._bundle = bundles.load(paths.BUNDLE)
        """The model in use as it was made, without changes of its policy's weights."""
        self.engine = self._engine(self._bundle)
        self._follow()
        self._warm(self.engine)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="operations", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.log.close()

    def state(self) -> tuple[bool, list[str]]:
        """Whether requests are answered, and what is wrong if anything is."""
        problems = [p for p in (self.log.problem, self._reload_problem, self._housekeeping_problem()) if p]
        ready = self.log.problem is None or self.settings.traffic.when_full == "answer"
        return ready, problems

    def gauges(self) -> str:
        """The state as lines for Prometheus. It is the machine's rather than the worker's, so whoever is asked tells it."""
        ready, problems = self.state()
        lines = {
            "accord_ready": int(ready),
            "accord_problems": len(problems),
            "accord_log_megabytes": round(self.log.used_mb, 3),
        }
        model = f'accord_model_info{{model="{self.engine.bundle.model_id}"}} 1\n'
        return "".join(f"# TYPE {name} gauge\n{name} {value}\n" for name, value in lines.items()) + model

    def contract(self) -> dict[str, Any]:
        """What a request must keep, as JSON Schema, and what it is answered with."""
        bundle = self.engine.bundle
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **self.engine.decoder.json_schema,
            "examples": [{"rows": [bundle.example]}],
            "x-accord": {
                "model": bundle.model_id,
                "columns": {name: column.model_dump() for name, column in bundle.columns.items()},
                "context": {name: column.model_dump() for name, column in bundle.context.items()},
                "outcomes": {name: column.model_dump() for name, column in bundle.outcomes.items()},
                "key": bundle.key,
                "rules": bundle.rules,
                "targets": bundle.targets,
            },
        }

    def document(self) -> dict[str, Any]:
        """The OpenAPI document of the service with the model in use."""
        bundle = self.engine.bundle
        weights = {} if bundle.policy is None else bundle.policy.weights
        return document(
            bundle.model_id,
            self.engine.decoder,
            self.engine.intake.json_schema,
            bundle.example,
            bundle.targets,
            weights,
        )

    def policy(self) -> dict[str, Any]:
        """The policy as it is applied now."""
        bundle = self.engine.bundle
        return {
            "model": bundle.model_id,
            "policy": None if bundle.policy is None else bundle.policy.model_dump(),
            "changed": self.engine.weights is not None,
            "explore": self.settings.explore,
        }

    def change_policy(self, body: bytes, client: str) -> dict[str, Any]:
        """Sets weights of the policy of the model in use, for all workers and for restarts, until another model comes.
        Raises RefusedError for weights that the policy doesn't have."""
        try:
            change = msgspec.json.decode(body, type=PolicyChange)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RefusedError(422, f"the body: {' '.join(str(error).split())[:200]}") from error
        try:
            with self._changing, held(self._folder / POLICY_CHANGES, inf):
                self._look_at_policy()  # another worker may have made a change that this one adds to
                self._check_weights(change.weights)
                record = {
                    "at": datetime.now(UTC).isoformat(timespec="microseconds"),
                    "model": self.engine.bundle.model_id,
                    "weights": {**(self.engine.weights or {}), **change.weights},
                    "reason": change.reason[:MAX_REASON],
                    "client": client,
                }
                _append(self._folder / POLICY_CHANGES, json.dumps(record))
                self._look_at_policy()
        except OSError as error:
            raise RefusedError(
                503, f"the change could not be recorded, so it was not made: {error.strerror}"
            ) from error
        return self.policy()

    def _check_weights(self, weights: Mapping[str, float]) -> None:
        policy = self.engine.bundle.policy
        if policy is None:
            raise RefusedError(422, "the model has no policy, so it has no weights")
        for name, value in weights.items():
            if name not in policy.weights:
                raise RefusedError(
                    422, f"weights: the policy has no weight {name[:100]!r}; {nearest(name, policy.weights)}"
                )
            if not isfinite(value):
                raise RefusedError(422, f"weights.{name}: found {value}; expected a finite number")

    def _engine(self, bundle: Bundle, weights: dict[str, float] | None = None) -> Engine:
        return Engine.of(bundle, self.settings, lambda: self._pseudonyms, weights)

    @cached_property
    def _pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(self._folder)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                with self._changing:
                    self._follow()
                self._keep_house()
            except Exception:  # the watch outlives whatever it meets, or the service would never follow again
                say_exception()

    def _follow(self) -> None:
        """Takes up what has changed: first the champion, then its weights."""
        pointer = self._home / paths.CHAMPION
        again = self._reload_problem is not None and time.monotonic() - self._tried >= RETRY_EVERY_S
        if self._changed(pointer) or again:
            self._look_at_champion(pointer)
        if self._changed(self._folder / POLICY_CHANGES):
            self._look_at_policy()

    def _changed(self, path: Path) -> bool:
        try:
            stat = path.stat()
            found = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        except OSError:
            return False
        changed = self._seen.get(path) != found
        self._seen[path] = found
        return changed

    def _look_at_champion(self, pointer: Path) -> None:
        self._tried = time.monotonic()
        try:
            model_id = read_json(pointer).get("model_id")
            if model_id is not None and model_id != self.engine.bundle.model_id:
                bundle = bundles.load(self._home / paths.RELEASES / model_id)
                engine = self._engine(bundle)
                self._warm(engine)
                self._bundle, self.engine = bundle, engine
                self.metrics.reloaded()
                print(f"accord: model {model_id} answers from now on", flush=True)
            self._seen.pop(self._folder / POLICY_CHANGES, None)  # changes from before it was named have ended
            self._reload_problem = None
        except Exception as error:  # a broken bundle can fail in any way; none of them may end the service
            reason = (
                str(error) if isinstance(error, AccordError) else " ".join(repr(error).split())[:MAX_REASON]
            )
            problem = encodable(
                f"the champion can't be loaded, {self.engine.bundle.model_id} goes on: {reason}"
            )
            if problem != self._reload_problem:
                say(problem)
            self._reload_problem = problem

    def _look_at_policy(self) -> None:
        """Applies the last change that was made for the model in use, since it was named champion."""
        try:
            changes = _records(self._folder / POLICY_CHANGES)
        except OSError:
            return
        model, since = self._bundle.model_id, self._named_at()
        ours = [change.weights for change in changes if change.model == model and change.at >= since]
        weights = ours[-1] if ours else None
        if weights != self.engine.weights:
            self.engine = self._engine(self._bundle, weights)

    def _named_at(self) -> datetime:
        """When the champion was named; long ago where none is."""
        try:
            return datetime.fromtimestamp((self._home / paths.CHAMPION).stat().st_mtime, UTC)
        except OSError:
            return datetime.fromtimestamp(0, UTC)

    def _warm(self, engine: Engine) -> None:
        """The first request must not pay for what is done once."""
        row = engine.decoder.converted([engine.bundle.example])
        with suppress(InvalidRowError):  # where its personal values were replaced it may break a rule
            engine.answer(row)
            engine.answer_quickly(row)

    def _keep_house(self) -> None:
        """Starts the housekeeping of the log as a process of its own, now and then."""
        if self._housekeeper is not None and self._housekeeper.poll() is None:
            return
        if time.monotonic() - self._kept_house < self.settings.traffic.segment_seconds:
            return
        self._kept_house = time.monotonic()
        self._housekeeper = subprocess.Popen(
            [sys.executable, "-m", "accord.traffic.housekeeping", str(self._folder.absolute())],
            env={**os.environ, environment.VARIABLE: self.settings.model_dump_json()},
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.nice(19),
        )

    def _housekeeping_problem(self) -> str | None:
        try:
            problem = read_json(self._folder / HOUSEKEEPING).get("problem")
        except (OSError, ValueError):
            return None
        return None if problem is None else str(problem)


def _append(path: Path, line: str) -> None:
    """One line, on the disk when this returns; half a line that a crash left before it stays one by itself."""
    with path.open("a+b") as file:
        if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
            line = "\n" + line
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def _records(path: Path) -> list[RecordedChange]:
    """The file's changes; half a line, or another's, is none."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(msgspec.json.decode(line, type=RecordedChange))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found
