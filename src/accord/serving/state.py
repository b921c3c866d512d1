"""What runs beside the requests: the model in use and its successors, the policy's weights, the log, the state of it all."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from accord import code
from accord.bundle.bundle import Bundle, load_bundle
from accord.errors import AccordError
from accord.files import read_json
from accord.paths import Paths
from accord.schema.serving import Serving
from accord.serving import handover, weights
from accord.serving.answers import PolicyInUse
from accord.serving.counters import Metrics
from accord.serving.engine import Engine
from accord.serving.output import encodable, say, say_exception
from accord.serving.refusals import RefusedError
from accord.serving.requests import InvalidRowError
from accord.serving.weights import Changes, RecordedChange
from accord.traffic.log import TrafficLog
from accord.traffic.pii import Pseudonyms

LOOK_EVERY_S = 0.2
RETRY_EVERY_S = 2.0
"""A champion that couldn't be loaded is tried again, since its bytes may come after its pointer."""
HOUSEKEEPING = "housekeeping.json"
MAX_REASON = 500


class Operations:
    """The state of one worker. A thread follows the pointer to the champion and the changes of the policy's weights,
    which all workers share as files."""

    def __init__(self, home: Paths, bundle: Path, settings: Serving, worker: int) -> None:
        """`home` is the project whose champion is followed and whose traffic is logged, `bundle` the folder of the Bento's
        own, and `worker` the number of this one among the service's, from 0."""
        self.settings = settings
        self.code = code.hash_of_all()[:16]
        """What answers here, for the log."""
        self._home = home
        self._folder = home.traffic
        self._pointer = home.champion
        self._changes = Changes(self._folder)
        self._champion: dict[str, Any] = {}
        """What the pointer says of the model in use; nothing where that is no champion."""
        self._others_stand = False
        """Whether changes of other models than the champion have not been ended yet."""
        self._reload_problem: str | None = None
        self._has_told = False
        """Whether the service's own output says that requests can't be logged."""
        self._tried = 0.0
        self._seen: dict[Path, bytes] = {}
        self._changing = threading.Lock()
        self._housekeeper: subprocess.Popen[bytes] | None = None
        self._kept_house = time.monotonic()
        self.log = TrafficLog(self._folder, settings.traffic)
        self.metrics = Metrics(worker, self.log)
        self._bundle = load_bundle(bundle)
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
        """Whether requests are answered, and what is wrong if anything is. Each worker has a log of its own, and a request
        may reach any of them, so a problem of one log is the service's."""
        log_problem = self.metrics.log_problem()
        problems = [p for p in (log_problem, self._reload_problem, self._housekeeping_problem()) if p]
        ready = log_problem is None or self.settings.traffic.when_full == "answer"
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

    def policy(self) -> PolicyInUse:
        """The policy as it is applied now."""
        bundle = self.engine.bundle
        return PolicyInUse(
            bundle.model_id,
            None if bundle.policy is None else bundle.policy.model_dump(),
            self.engine.weights is not None,
            self.settings.explore,
        )

    def change_policy(self, body: bytes, client: str) -> PolicyInUse:
        """Sets weights of the policy of the model in use, for all workers and for restarts, until another model comes.
        Raises RefusedError for weights that the policy doesn't have."""
        change = weights.read_change(body)
        try:
            with self._changing, self._changes.lock():
                self._look_at_policy()  # another worker may have made a change that this one adds to
                weights.check(change.weights, self.engine.bundle.policy)
                self._record(
                    {**(self.engine.weights or {}), **change.weights},
                    reason=change.reason[:MAX_REASON],
                    client=client,
                )
                self._look_at_policy()
        except OSError as error:
            raise RefusedError(
                503, f"the change could not be recorded, so it was not made: {error.strerror}"
            ) from error
        return self.policy()

    def _engine(self, bundle: Bundle, changed: dict[str, float] | None = None) -> Engine:
        return Engine.of(bundle, self.settings, lambda: self._pseudonyms, changed)

    @cached_property
    def _pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(self._folder)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            self._tell_problem()
            try:
                with self._changing:
                    self._follow()
                self._keep_house()
            except Exception:  # the watch outlives whatever it meets, or the service would never follow again
                say_exception()

    def _tell_problem(self) -> None:
        """Says when requests can no longer be logged, and when they can again: in a container that output may be all that is seen."""
        self.metrics.pass_on_problem()
        problem = self.log.problem
        if (problem is not None) != self._has_told:
            self._has_told = problem is not None
            say(str(problem or "requests are logged again"))

    def _follow(self) -> None:
        """Takes up what has changed: first the champion, then its weights."""
        again = self._reload_problem is not None and time.monotonic() - self._tried >= RETRY_EVERY_S
        if self._changed(self._pointer) or again:
            self._look_at_champion()
        if self._changed(self._changes.path):
            self._look_at_policy()
        if self._others_stand:
            self._end_others()

    def _changed(self, path: Path) -> bool:
        """Whether the file holds something else than when it was last looked at."""
        try:
            found = path.read_bytes()
        except OSError:
            return False
        changed = self._seen.get(path) != found
        self._seen[path] = found
        return changed

    def _look_at_champion(self) -> None:
        self._tried = time.monotonic()
        try:
            champion = read_json(self._pointer)
            model_id = champion.get("model_id")
            if model_id is not None and model_id != self.engine.bundle.model_id:
                bundle = load_bundle(self._home.releases / model_id)
                engine = self._engine(bundle)
                self._warm(engine)
                self._bundle, self.engine = bundle, engine
                self.metrics.reloaded()
                say(f"model {model_id} answers from now on")
            self._champion = champion if model_id else {}
            self._seen.pop(self._changes.path, None)  # which of them stand depends on the champion
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
        """Applies the last change that stands for the model in use."""
        try:
            standing = self._changes.standing()
        except OSError:
            return
        model = self._bundle.model_id
        change = standing.pop(model, None)
        self._others_stand = bool(standing) and self._champion.get("model_id") == model
        changed = None if change is None or self._ended(change) else change.weights
        if changed != self.engine.weights:
            self.engine = self._engine(self._bundle, changed)

    def _ended(self, change: RecordedChange) -> bool:
        """Whether another model was champion between the change and now, as when both came while no service ran. The same
        champion in a file that was written again, or named again, is no other."""
        is_another_time = change.named_at != self._named_at()
        return is_another_time and self._champion.get("previous") not in (None, change.model)

    def _named_at(self) -> str | None:
        at = self._champion.get("at")
        return at if isinstance(at, str) else None

    def _end_others(self) -> None:
        """Records that the champion came into use, so that the changes of other models don't come back with them."""
        model = self._bundle.model_id
        with suppress(OSError, ValueError, AttributeError), self._changes.lock():  # until there is room
            is_champion = read_json(self._pointer).get("model_id") == model  # another worker may be ahead
            if is_champion and self._changes.standing().keys() - {model}:
                self._record({}, reason="the model came into use")

    def _record(self, changed: dict[str, float], **more: str) -> None:
        self._changes.record(self._bundle.model_id, self._named_at(), changed, **more)

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
            [sys.executable, "-m", "accord.traffic.compaction", str(self._folder.absolute())],
            env={**os.environ, handover.VARIABLE: self.settings.model_dump_json()},
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.nice(19),
        )

    def _housekeeping_problem(self) -> str | None:
        try:
            problem = read_json(self._folder / HOUSEKEEPING).get("problem")
        except (OSError, ValueError):
            return None
        return None if problem is None else str(problem)
