"""Ctrl-C, SIGTERM and a closed terminal: the first one stops the traffic, the next one interrupts everything."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Handles the signals of the main thread while it is entered.

    A signal raises KeyboardInterrupt, and later ones are ignored, so that cleaning up is not interrupted. Inside
    `deferred` the first one sets `requested` instead.
    """

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._deferring = False
        self._ignoring = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # it came from there

    @contextmanager
    def deferred(self) -> Iterator[threading.Event]:
        """The traffic runs: the first signal sets the event."""
        self._deferring = True
        try:
            yield self.requested
        finally:
            self._deferring = False

    def ignore(self) -> None:
        """From now on nothing interrupts."""
        self._ignoring = True

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._ignoring:
            return
        if self._deferring and not self.requested.is_set():
            self.requested.set()
            return
        self._ignoring = True
        raise KeyboardInterrupt
