"""Calls on a thread of their own."""

from __future__ import annotations

import threading

import pytest

from driftline.native_thread import NativeThread


def test_calls_run_on_one_other_thread_and_return_their_results() -> None:
    thread = NativeThread("test")
    names = {thread.run(lambda: threading.current_thread().name) for _ in range(3)}
    assert names == {"test"}


def test_errors_are_raised_by_the_caller_and_the_thread_goes_on() -> None:
    thread = NativeThread("test")
    with pytest.raises(ZeroDivisionError):
        thread.run(lambda: 1 // 0)
    assert thread.run(lambda: 2) == 2


def test_callers_take_turns() -> None:
    thread, results = NativeThread("test"), []
    callers = [threading.Thread(target=lambda n=n: results.append(thread.run(lambda: n))) for n in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(results) == list(range(20))
