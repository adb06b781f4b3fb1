"""A thread that Python itself started, for native libraries that ask which thread they are on.

In Flink's thread mode the JVM calls Python on its own threads, each with a thread state that `PyGILState_Ensure` does
not find: with pemja 0.5.7 it waits for ever for the interpreter lock that its own thread holds. Libraries bound with
pybind11, ONNX Runtime among them, call it while they are imported. A thread made by `threading` has no such trouble.
Handing a call to it and back takes 20 us on idle cores but up to 1 ms on busy ones: it is for set-up, not for blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar, cast

T = TypeVar("T")


class NativeThread:
    """Runs calls one at a time on a daemon thread of its own, which starts with the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = threading.Lock()
        self._calls: SimpleQueue[Callable[[], Any]] = SimpleQueue()
        self._results: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, call: Callable[[], T]) -> T:
        """Run the call there and return its result, or raise what it raised; blocks meanwhile."""
        with self._turn:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
            self._calls.put(call)
            succeeded, result = self._results.get()
        if not succeeded:
            raise result
        return cast("T", result)

    def _serve(self) -> None:
        while True:
            call = self._calls.get()
            try:
                self._results.put((True, call()))
            except BaseException as error:
                self._results.put((False, error))  # raised again by the caller
