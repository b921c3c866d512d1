"""Counts that every worker of a service adds to, in memory that their supervisor holds.

prometheus_client shares counts between processes by mapping files, and a process that touches a page for which the disk
has no room is killed. This memory is a file without a name or a disk, with a part for each worker. It lives as long as the
supervisor does.
"""

import os
import struct
from collections import Counter
from collections.abc import Iterable

import msgspec

VARIABLE = "ACCORD_COUNTS_FD"
"""Which of the open files that workers inherit from their supervisor is the memory."""
NUMBER = struct.Struct("<Q")
HALF_BYTES = 1 << 16
PART_BYTES = 2 * HALF_BYTES
"""A worker writes the halves of its part in turn, so that neither a kill nor a reader meets a state that is half written."""


class Requests(msgspec.Struct):
    """The requests to an endpoint that ended with one status."""

    counts: list[int]
    """How many in each bucket of seconds."""
    seconds: float = 0.0
    """The sum of their durations."""


class Counts(msgspec.Struct):
    """What one worker, or all of them, have counted."""

    requests: dict[str, Requests] = {}
    """By status and endpoint, such as `200 /predict`."""
    counters: dict[str, int] = {}
    log_problem: str | None = None
    """Why the worker, or one of them, can't log requests at the moment."""


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Counts).decode


def share() -> None:
    """Makes the memory in the supervisor, before it starts its workers."""
    fd = os.memfd_create("accord-counts")
    os.set_inheritable(fd, True)
    os.environ[VARIABLE] = str(fd)


def shared() -> int:
    """The memory's file descriptor. A process without a supervisor, such as a program that makes the service by itself,
    counts alone."""
    given = os.environ.get(VARIABLE)
    return os.memfd_create("accord-counts") if given is None else int(given)


def together(fd: int) -> Counts:
    """The sums over the workers, those that have ended too."""
    n_parts = -(-os.fstat(fd).st_size // PART_BYTES)
    return _total(Part(fd, n).read() for n in range(n_parts))


class Part:
    """The part of the worker with this number, from 0. A worker that replaces another continues its counts."""

    def __init__(self, fd: int, number: int) -> None:
        self._fd, self._offset = fd, number * PART_BYTES

    def read(self) -> Counts:
        while True:
            turn = self._turn()
            state = self._half(turn)
            if self._turn() == turn:  # else the half may have been written over meanwhile
                return decode(state) if state else Counts()

    def write(self, counts: Counts) -> None:
        """For one process and thread at a time."""
        state, turn = encode(counts), self._turn() + 1
        place = self._offset + turn % 2 * HALF_BYTES + NUMBER.size
        os.pwrite(self._fd, NUMBER.pack(len(state)) + state, place)
        os.pwrite(self._fd, NUMBER.pack(turn), self._offset)

    def _turn(self) -> int:
        return self._number(self._offset)

    def _half(self, turn: int) -> bytes:
        place = self._offset + turn % 2 * HALF_BYTES + NUMBER.size
        return os.pread(self._fd, self._number(place), place + NUMBER.size)

    def _number(self, place: int) -> int:
        held = os.pread(self._fd, NUMBER.size, place)
        return NUMBER.unpack(held)[0] if len(held) == NUMBER.size else 0


def _total(parts: Iterable[Counts]) -> Counts:
    """The sums of several workers' counts."""
    requests: dict[str, Requests] = {}
    counters: Counter[str] = Counter()
    log_problem = None
    for part in parts:
        log_problem = log_problem or part.log_problem
        counters.update(part.counters)
        for name, one in part.requests.items():
            so_far = requests.get(name, Requests([0] * len(one.counts)))
            counts = [a + b for a, b in zip(so_far.counts, one.counts, strict=True)]
            requests[name] = Requests(counts, so_far.seconds + one.seconds)
    return Counts(requests, dict(counters), log_problem)
