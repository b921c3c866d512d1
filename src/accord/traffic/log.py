"""The log that a worker writes: each record goes into the worker's own segment by one write, before the answer is sent.

A segment is a file of JSON lines. While it is written its worker holds a lock on it, which the kernel releases when the
process ends, however it ends. So whoever gets the lock knows that the segment is complete. A kill costs no record whose
write returned. At most the last line of the segment is cut short, and then its request was not answered.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

from uuid_utils import uuid7

from accord.locks import locked
from accord.schema.serving import Traffic
from accord.traffic.disk import make_folder, opened

SEGMENTS = "segments"
SUFFIX = ".jsonl"
ASK = "complete.request"
"""Touching this file of the folder asks every worker to complete its segment."""
LOOK_EVERY_S = 0.5
LOOK_AT_ALL_EVERY_S = 30.0
"""Files outside the segments change slowly, and there may be thousands of them."""
TRIED_BYTES = 4096
"""The size of a file that is written to see whether the disk takes files again."""


class NotLoggedError(Exception):
    """A record could not be logged; the message says why."""


class TrafficLog:
    """Appends records; a thread of its own flushes them to the disk, completes segments, and watches the disk's space."""

    def __init__(self, folder: Path, settings: Traffic) -> None:
        self.folder = folder
        self.problem: str | None = None
        """Why records can't be logged at the moment."""
        self.used_mb = 0.0
        self._settings = settings
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._size = 0
        self._opened = 0.0
        self._dirty = False
        self._is_new = False
        self._kept_mb, self._looked_at_all = 0.0, -LOOK_AT_ALL_EVERY_S
        self._asked = _changed(folder / ASK)
        self._stopping = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._keep, name="traffic-log", daemon=True)
        self._thread.start()

    def append(self, record: bytes) -> None:
        """Returns when the record, a line without its end, is with the kernel. Raises NotLoggedError, and leaves no
        trace of the record, if it can't be."""
        line = record + b"\n"
        with self._lock:
            if self.problem is not None:
                raise NotLoggedError(self.problem)
            try:
                if self._fd is None:
                    self._open()
                written = os.write(self._fd, line)  # type: ignore[arg-type]
            except OSError as error:
                self.problem = f"the log in {self.folder} can't be written: {error.strerror}"
                raise NotLoggedError(self.problem) from error
            if written < len(line):
                self._take_back()
                self.problem = f"the log in {self.folder} can't be written: the disk is full"
                raise NotLoggedError(self.problem)
            self._size += written
            self._dirty = True

    def complete(self) -> None:
        """Completes the segment that is being written, if there is one; the next record begins another."""
        with self._lock:
            fd, self._fd = self._fd, None
        if fd is not None:
            try:
                self._flush(fd)
            finally:
                os.close(fd)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.complete()

    def _open(self) -> None:
        segments = self.folder / SEGMENTS
        make_folder(segments)
        path = segments / f"{uuid7()}{SUFFIX}"
        temporary = path.with_suffix(".tmp")
        fd = opened(str(temporary), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        try:
            # The lock comes before the name: else the segment would look complete for a moment.
            locked(fd)
            temporary.rename(path)
        except OSError:
            os.close(fd)
            raise
        self._fd, self._size, self._opened, self._is_new = fd, 0, time.monotonic(), True

    def _take_back(self) -> None:
        """Undoes a write that came only half through."""
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:  # then it stays half a line, at the segment's end, where readers know to drop it
            os.close(self._fd)
            self._fd = None

    def _keep(self) -> None:
        looked = time.monotonic()
        while not self._stopping.wait(self._settings.sync_ms / 1000):
            fd = self._fd  # only this thread, and close() after it, completes segments
            if self._dirty and fd is not None:
                self._flush(fd)
            now = time.monotonic()
            if self._is_due(now):
                self.complete()
            if now - looked >= LOOK_EVERY_S:
                self._look()
                looked = now
                if (asked := _changed(self.folder / ASK)) != self._asked:
                    self._asked = asked
                    self.complete()

    def _is_due(self, now: float) -> bool:
        full = self._size >= self._settings.segment_mb * 1e6
        return self._fd is not None and (full or now - self._opened >= self._settings.segment_seconds)

    def _flush(self, fd: int) -> None:
        self._dirty = False
        try:
            os.fdatasync(fd)
            if self._is_new:
                self._is_new = False
                _flush_folder(self.folder / SEGMENTS)
        except OSError as error:
            self.problem = f"the log in {self.folder} can't be flushed: {error.strerror}"
            with self._lock:  # the kernel reports it once a file, so the next record begins another
                if self._fd == fd:
                    os.close(fd)
                    self._fd = None

    def _look(self) -> None:
        """Looks whether there is room for records, so that a problem ends by itself when its cause is gone."""
        try:
            make_folder(self.folder)
            if self.problem is not None or time.monotonic() - self._looked_at_all >= LOOK_AT_ALL_EVERY_S:
                self._looked_at_all = time.monotonic()
                with contextlib.suppress(FileNotFoundError):  # a day that the compaction deletes meanwhile
                    kept = (path for path in self.folder.rglob("*") if path.parent.name != SEGMENTS)
                    self._kept_mb = sum(map(_size, kept)) / 1e6
            self.used_mb = self._kept_mb + sum(map(_size, (self.folder / SEGMENTS).glob("*"))) / 1e6
            disk = os.statvfs(self.folder)
        except OSError as error:
            self.problem = f"the log in {self.folder} can't be written: {error.strerror}"
            return
        free_mb = disk.f_bavail * disk.f_frsize / 1e6
        if self.used_mb >= self._settings.max_mb:
            self.problem = f"the log in {self.folder} takes {self.used_mb:.0f} MB; its limit is serving.traffic.max_mb {self._settings.max_mb:g}"
        elif free_mb < self._settings.min_free_mb:
            self.problem = f"the disk of {self.folder} has {free_mb:.0f} MB left; the log leaves serving.traffic.min_free_mb {self._settings.min_free_mb:g}"
        elif self.problem is not None:
            self.problem = self._tried()

    def _tried(self) -> str | None:
        """Why nothing can be written, found out by writing: no figure shows a quota, a lack of inodes, or a read-only disk."""
        path = self.folder / SEGMENTS / f".{os.getpid()}.tmp"  # the compaction removes it if a kill leaves it
        try:
            make_folder(path.parent)
            try:
                with path.open("wb") as file:
                    file.write(bytes(TRIED_BYTES))
                    file.flush()
                    os.fdatasync(file.fileno())
            finally:
                path.unlink(missing_ok=True)
        except OSError as error:
            return f"the log in {self.folder} can't be written: {error.strerror}"
        return None


def _flush_folder(folder: Path) -> None:
    """Flushes the names of the folder's files to the disk: when the power fails, a file without a name is lost, even if its
    content was flushed."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since it was listed
        return 0
