"""The changes of the policy's weights: a file beside the traffic log that all workers share, with a line per change."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Any

import msgspec

from accord import jsonl
from accord.errors import nearest
from accord.files import read_json
from accord.locks import held
from accord.schema.objective import Policy
from accord.serving.refusals import RefusedError
from accord.traffic.disk import FILE_MODE, make_folder, opened

FILE = "policy.jsonl"
MAX_QUOTED = 200


class PolicyChange(msgspec.Struct, forbid_unknown_fields=True):
    """What POST /policy takes."""

    weights: dict[str, float]
    reason: Annotated[str, msgspec.Meta(description="Why; it is kept.")] = ""


class RecordedChange(msgspec.Struct):
    """What a change that was made leaves to be applied."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    model: str
    weights: dict[str, float]
    """All that were changed. With none the line says that the model came into use, which ended the changes of others."""
    named_at: str | None = None
    """Since when the model was champion then, in the words of champion.json."""


Champion = Mapping[str, Any]
"""What champion.json says. Empty if the model in use is no champion."""


class Changes:
    """The file of changes. `pointer` is the file that names the champion."""

    def __init__(self, folder: Path, pointer: Path) -> None:
        self.path = folder / FILE
        self._pointer = pointer

    def lock(self) -> AbstractContextManager[int | None]:
        """Keeps other workers from recording changes until the block ends."""
        make_folder(self.path.parent)
        return held(self.path, inf, FILE_MODE)

    def standing(self) -> dict[str, RecordedChange]:
        """The last change of each model that no other model has ended by coming into use. Raises OSError if the file can't
        be read."""
        standing: dict[str, RecordedChange] = {}
        for change in jsonl.readable(self.path, RecordedChange):
            if change.weights:
                standing[change.model] = change
            else:
                standing = {model: kept for model, kept in standing.items() if model == change.model}
        return standing

    def standing_for(self, model: str, champion: Champion) -> tuple[dict[str, float] | None, bool]:
        """The weights that stand for the model in use, and whether changes of others stand that it ends as the champion.
        Raises OSError if the file can't be read."""
        others = self.standing()
        change = others.pop(model, None)
        weights = None if change is None or _has_ended(change, champion) else change.weights
        return weights, bool(others) and champion.get("model_id") == model

    def record(self, model: str, champion: Champion, weights: Mapping[str, float], **more: str) -> None:
        """Adds a change, for who has the lock. Raises OSError, and leaves no trace of it, if it can't be written."""
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        record = {"at": at, "model": model, "named_at": _named_at(champion), "weights": weights, **more}
        jsonl.append_in_place(self.path, record, opened)

    def end_others(self, model: str, champion: Champion) -> None:
        """Records that the champion came into use, so that the changes of other models don't come back with them. Where there
        is no room for that, a later call does it."""
        with suppress(OSError, ValueError, AttributeError), self.lock():
            is_champion = read_json(self._pointer).get("model_id") == model  # another worker may be ahead
            if is_champion and self.standing().keys() - {model}:
                self.record(model, champion, {}, reason="the model came into use")


def read_change(body: bytes) -> PolicyChange:
    """The change in a request's body. Raises RefusedError."""
    try:
        return msgspec.json.decode(body, type=PolicyChange)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(422, f"the body: {' '.join(str(error).split())[:MAX_QUOTED]}") from error


def check(weights: Mapping[str, float], policy: Policy | None) -> None:
    """Raises RefusedError for weights that the policy doesn't have, or that are no finite numbers."""
    if policy is None:
        raise RefusedError(422, "the model has no policy, so it has no weights")
    for name, value in weights.items():
        if name not in policy.weights:
            raise RefusedError(
                422, f"weights: the policy has no weight {name[:100]!r}; {nearest(name, policy.weights)}"
            )
        if not isfinite(value):
            raise RefusedError(422, f"weights.{name}: found {value}; expected a finite number")


def _has_ended(change: RecordedChange, champion: Champion) -> bool:
    """Whether another model was champion between the change and now, as when both came while no service ran. The same
    champion in a file that was written again, or named again, is no other."""
    is_another_time = change.named_at != _named_at(champion)
    return is_another_time and champion.get("previous") not in (None, change.model)


def _named_at(champion: Champion) -> str | None:
    at = champion.get("at")
    return at if isinstance(at, str) else None
