"""Ctrl-C, SIGTERM and a closed terminal: the first one ends the traffic softly, the next one all that goes on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Endings:
    """Handles the signals while it is entered; the main thread's.

    Outside `softly` a signal raises KeyboardInterrupt, and no other one is heard after it: what cleans up is not
    interrupted. Inside `softly` the first one sets `asked` instead.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._soft = False
        self._deaf = False
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
    def softly(self) -> Iterator[threading.Event]:
        """The traffic runs: the first signal sets the event."""
        self._soft = True
        try:
            yield self.asked
        finally:
            self._soft = False

    def ignore(self) -> None:
        """From now on nothing interrupts."""
        self._deaf = True

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._deaf:
            return
        if self._soft and not self.asked.is_set():
            self.asked.set()
            return
        self._deaf = True
        raise KeyboardInterrupt
