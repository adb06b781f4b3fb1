"""A value that is loaded from files, and loaded again when they change."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from driftline.errors import DriftlineError
from serving.logs import log_event

POLL_S = 1.0

T = TypeVar("T")
_Stamp = tuple[tuple[int, int, int] | None, ...]  # (mtime in ns, size, inode) of each file; None for a missing one

log = logging.getLogger(__name__)


class Reloaded(Generic[T]):
    """Looks at its files when asked, at most once a `poll_s`. New files that are broken leave the old value in place.

    `load` reads the files and raises DriftlineError where they cannot be used; the first load's error is the caller's.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        load: Callable[[], T],
        *,
        poll_s: float = POLL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = tuple(paths)
        self._load = load
        self._poll_s = poll_s
        self._clock = clock
        self._stamp = self._look()
        self._value = load()
        self._next_look_s = clock() + poll_s

    def get(self) -> T:
        """The value of the newest usable files."""
        now_s = self._clock()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + self._poll_s
            self._reload_if_changed()
        return self._value

    def _reload_if_changed(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        names = [str(path) for path in self._paths]
        try:
            value = self._load()
        except DriftlineError as error:
            log_event(log, "reload failed", level=logging.ERROR, files=names, error=str(error))
        else:
            if self._look() != stamp:  # replaced while it was read: what was read may be a mixture
                return
            self._value = value
            log_event(log, "reloaded", files=names)
        self._stamp = stamp

    def _look(self) -> _Stamp:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
