"""The state of one worker: the model in use, the log and its compaction, the counts, and what is wrong with any of them."""

import threading
from pathlib import Path

from accord import code
from accord.paths import Paths
from accord.schema.serving import Serving
from accord.serving.answers import Readiness
from accord.serving.compactor import Compactor
from accord.serving.counters import Metrics
from accord.serving.engine import Engine
from accord.serving.model_in_use import ModelInUse
from accord.serving.output import say, say_exception
from accord.traffic.log import TrafficLog

LOOK_EVERY_S = 0.2


class State:
    """What requests are answered with. A thread keeps it up to date."""

    def __init__(self, home: Paths, bundle: Path, settings: Serving, worker: int) -> None:
        """`home` is the project whose champion is followed and whose traffic is logged, `bundle` the folder of the Bento's
        own model, and `worker` the number of this one among the service's, from 0."""
        self.settings = settings
        self.code = code.hash_of_all()[:16]
        """What answers here, for the log."""
        self.log = TrafficLog(home.traffic, settings.traffic)
        self.metrics = Metrics(worker, self.log)
        self.model = ModelInUse(home, bundle, settings, self.metrics.reloaded)
        self._compactor = Compactor(home.traffic, settings)
        self._has_said_problem = False
        """Whether the service's own output says that requests can't be logged."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="state", daemon=True)
        self._thread.start()

    @property
    def engine(self) -> Engine:
        return self.model.engine

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.log.close()

    def readiness(self) -> Readiness:
        """Whether requests are answered, and what is wrong if anything is. Each worker has a log of its own, and a request
        may reach any of them, so a problem of one log is the service's."""
        log_problem = self.metrics.log_problem()
        problems = [p for p in (log_problem, self.model.problem, self._compactor.problem()) if p]
        return Readiness(log_problem is None or self.settings.traffic.when_full == "answer", problems)

    def gauges(self) -> str:
        """The state as lines for Prometheus. It is the machine's rather than the worker's, so any worker may answer for all."""
        state = self.readiness()
        lines = {
            "accord_ready": int(state.ready),
            "accord_problems": len(state.problems),
            "accord_log_megabytes": round(self.log.used_mb, 3),
        }
        model = f'accord_model_info{{model="{self.engine.bundle.model_id}"}} 1\n'
        return "".join(f"# TYPE {name} gauge\n{name} {value}\n" for name, value in lines.items()) + model

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            self._pass_on_problem()
            try:
                self.model.follow()
                self._compactor.start_if_due()
            except Exception:  # the watch outlives whatever it meets, or the service would never follow again
                say_exception()

    def _pass_on_problem(self) -> None:
        """Lets the other workers know what is wrong with the log, and says it when requests can no longer be logged, and when
        they can again: in a container that output may be all that is seen."""
        self.metrics.pass_on_problem()
        problem = self.log.problem
        if (problem is not None) != self._has_said_problem:
            self._has_said_problem = problem is not None
            say(str(problem or "requests are logged again"))
