"""The model in use: the champion, or the Bento's own model until there is one, with the policy's weights as they were
changed. It follows the pointer to the champion and the file of changes, which all workers share."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from accord.bundle.bundle import Bundle, load_bundle
from accord.errors import AccordError
from accord.files import read_json
from accord.paths import Paths
from accord.schema.serving import Serving
from accord.serving import weights
from accord.serving.answers import PolicyInUse
from accord.serving.engine import Engine
from accord.serving.output import encodable, say
from accord.serving.refusals import RefusedError
from accord.serving.requests import InvalidRowError
from accord.serving.watched import Watched
from accord.serving.weights import Champion, Changes
from accord.traffic.pii import Pseudonyms

RETRY_EVERY_S = 2.0
"""A champion that couldn't be loaded is tried again, since its bytes may come after its pointer."""
MAX_REASON = 500


class ModelInUse:
    """Holds the engine that answers, and replaces it whole: who reads it once has one model for all of an answer."""

    def __init__(self, home: Paths, bundle: Path, settings: Serving, reloaded: Callable[[], None]) -> None:
        """`home` is the project whose champion is followed, `bundle` the folder of the Bento's own model, and `reloaded` is
        called whenever another model has been loaded."""
        self.problem: str | None = None
        """Why the champion is not in use."""
        self._settings = settings
        self._reloaded = reloaded
        self._home = home
        self._changes = Changes(home.traffic, home.champion)
        self._pointer, self._policy_file = Watched(home.champion), Watched(self._changes.path)
        self._champion: Champion = {}
        self._others_stand = False
        """Whether changes of other models than the champion have not been ended yet."""
        self._tried = 0.0
        self._changing = threading.Lock()
        self._bundle = load_bundle(bundle)
        """The model in use as it was made, without changes of its policy's weights."""
        self.engine = self._engine(self._bundle)
        self.follow()
        _warm(self.engine)

    def follow(self) -> None:
        """Takes up what has changed: first the champion, then its weights."""
        with self._changing:
            again = self.problem is not None and time.monotonic() - self._tried >= RETRY_EVERY_S
            if self._pointer.has_changed() or again:
                self._look_at_champion()
            if self._policy_file.has_changed():
                self._look_at_policy()
            if self._others_stand:
                self._changes.end_others(self._bundle.model_id, self._champion)

    def policy(self) -> PolicyInUse:
        """The policy as it is applied now."""
        bundle = self.engine.bundle
        return PolicyInUse(
            bundle.model_id,
            None if bundle.policy is None else bundle.policy.model_dump(),
            self.engine.weights is not None,
            self._settings.explore,
        )

    def change_policy(self, body: bytes, client: str) -> PolicyInUse:
        """Sets weights of the policy of the model in use, for all workers and for restarts, until another model comes.
        Raises RefusedError for weights that the policy doesn't have."""
        change = weights.read_change(body)
        weights.check(change.weights, self.engine.bundle.policy)  # before the lock, which makes the file
        try:
            with self._changing, self._changes.lock():
                self._look_at_policy()  # another worker may have made a change that this one adds to
                weights.check(change.weights, self.engine.bundle.policy)
                changed = {**(self.engine.weights or {}), **change.weights}
                reason = change.reason[:MAX_REASON]
                self._changes.record(
                    self._bundle.model_id, self._champion, changed, reason=reason, client=client
                )
                self._look_at_policy()
        except OSError as error:
            raise RefusedError(
                503, f"the change could not be recorded, so it was not made: {error.strerror}"
            ) from error
        return self.policy()

    def _engine(self, bundle: Bundle, changed: dict[str, float] | None = None) -> Engine:
        return Engine.of(bundle, self._settings, lambda: self._pseudonyms, changed)

    @cached_property
    def _pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(self._home.traffic)

    def _look_at_champion(self) -> None:
        self._tried = time.monotonic()
        try:
            champion = read_json(self._pointer.path)
            model_id = champion.get("model_id")
            if model_id is not None and model_id != self.engine.bundle.model_id:
                self._load(model_id)
            self._champion = champion if model_id else {}
            self._policy_file.forget()  # which of them stand depends on the champion
            self.problem = None
        except Exception as error:  # a broken bundle can fail in any way; none of them may end the service
            reason = (
                str(error) if isinstance(error, AccordError) else " ".join(repr(error).split())[:MAX_REASON]
            )
            problem = encodable(
                f"the champion can't be loaded, {self.engine.bundle.model_id} goes on: {reason}"
            )
            if problem != self.problem:
                say(problem)
            self.problem = problem

    def _load(self, model_id: str) -> None:
        bundle = load_bundle(self._home.releases / model_id)
        engine = self._engine(bundle)
        _warm(engine)
        self._bundle, self.engine = bundle, engine
        self._reloaded()
        say(f"model {model_id} answers from now on")

    def _look_at_policy(self) -> None:
        """Applies the last change that stands for the model in use."""
        try:
            changed, self._others_stand = self._changes.standing_for(self._bundle.model_id, self._champion)
        except OSError:
            return
        if changed != self.engine.weights:
            self.engine = self._engine(self._bundle, changed)


def _warm(engine: Engine) -> None:
    """The first request must not pay for what is done once."""
    row = engine.decoder.converted([engine.bundle.example])
    with suppress(InvalidRowError):  # where its personal values were replaced it may break a rule
        engine.answer(row)
        engine.answer_quickly(row)
