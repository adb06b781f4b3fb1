"""A thread that Python itself started, for native libraries that ask which thread they are on.

In Flink's thread mode the JVM calls Python on its own threads, each with a thread state that `PyGILState_Ensure` does
not find: with pemja 0.5.7 it waits for ever for the interpreter lock that its own thread holds. Libraries bound with
pybind11, ONNX Runtime among them, call it while they are imported. A thread made by `threading` has no such trouble;
handing a call to it and back costs about as much as one crossing from the JVM.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class NativeThread:
    """Runs calls one after another on a daemon thread of its own, which starts with the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._starting = threading.Lock()
        self._calls: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[tuple[bool, Any]]]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, call: Callable[[], T]) -> Callable[[], T]:
        """Have the call run there; what is returned waits for its result, or raises what it raised. To call once."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
        result: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self._calls.put((call, result))
        return partial(_take, result)

    def run(self, call: Callable[[], T]) -> T:
        """Run the call there and wait for its result."""
        return self.start(call)()

    def _serve(self) -> None:
        while True:
            call, result = self._calls.get()
            try:
                result.put((True, call()))
            except BaseException as error:
                result.put((False, error))


def _take(result: SimpleQueue[tuple[bool, Any]]) -> Any:
    succeeded, value = result.get()
    if not succeeded:
        raise value
    return value
