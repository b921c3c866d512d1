"""The mean of several models: their raw scores, averaged."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accord.files import write_text
from accord.models import Contributions, Fitted, Matrix, Row, Trained


@dataclass(frozen=True)
class Mean:
    members: tuple[Fitted, ...]

    def raw(self, X: Matrix) -> Matrix:
        return _mean([member.raw(X) for member in self.members])

    def of_row(self, row: Row) -> Callable[[], Sequence[float]]:
        functions, n = [member.of_row(row) for member in self.members], len(self.members)

        def raw() -> Sequence[float]:
            total = functions[0]()
            for function in functions[1:]:  # in the order of `_mean`, for the same bits
                total = [a + b for a, b in zip(total, function(), strict=True)]
            return [score / n for score in total]

        return raw

    def contributions(self, X: Matrix) -> Contributions:
        return _mean([member.contributions(X) for member in self.members])

    def save(self, path: Path) -> None:
        texts = []
        for member in self.members:
            member.save(path)
            texts.append(path.read_text(encoding="utf-8"))
        write_text(path, json.dumps({"members": texts}, indent=1) + "\n")


def mean_of(members: Sequence[Fitted]) -> Fitted:
    return members[0] if len(members) == 1 else Mean(tuple(members))


def averaged(members: Sequence[Trained]) -> Trained:
    """One model of several that were trained alike: of settings that differ all values are kept, in lists."""
    if len(members) == 1:
        return members[0]
    settings = {
        name: value
        if all(one.settings[name] == value for one in members)
        else [one.settings[name] for one in members]
        for name, value in members[0].settings.items()
    }
    notes = tuple(dict.fromkeys(note for one in members for note in one.notes))
    tune = [one.tune_raw for one in members if one.tune_raw is not None]
    return Trained(mean_of([one.model for one in members]), settings, notes, _mean(tune) if tune else None)


def _mean(parts: Sequence[Matrix]) -> Matrix:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total / len(parts)
