"""How far a prediction is, for somebody who waits."""

import time
from collections.abc import Sequence

from accord.predict.workers import Task
from accord.terminal import end_progress, show_progress

SHOWN_S = 0.2


class Progress:
    """The line that is shown."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._total = sum(task.piece.size for task in tasks)
        self._size, self._n_rows = 0.0, 0
        self._start, self._shown = time.monotonic(), 0.0
        self._is_shown = len(tasks) > 1

    def add(self, task: Task, n_rows: int) -> None:
        self._size += task.piece.size
        self._n_rows += n_rows
        now = time.monotonic()
        if self._is_shown and (now - self._shown > SHOWN_S):
            self._shown, taken = now, max(now - self._start, 1e-9)
            share = self._size / self._total if self._total else 1.0
            left = taken * (1 - share) / share if share else 0.0
            show_progress(
                f"{share:.0%}  {self._n_rows:,} rows, {self._n_rows / taken:,.0f} a second, {_clock(left)} left "
            )

    def end(self) -> None:
        if self._shown:
            self._shown = 0.0
            end_progress()


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
