"""Steps as they are printed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from console.demo.steps import Steps


def steps(written: io.StringIO) -> Steps:
    seconds = iter([1.0, 3.5])
    return Steps(Console(file=written, width=40), live=False, clock=lambda: next(seconds))


def test_a_step_has_a_tick_and_its_seconds() -> None:
    written = io.StringIO()
    with steps(written).step("train a model") as step:
        step.note("fitting")
        step.done = "trained a model of a long name that is longer than the line"
    assert written.getvalue().splitlines() == [
        "  train a model ...",
        "✓ trained a model of a long name that is longer than the line  (2.5 s)",
    ]


def test_a_failed_step_has_a_cross() -> None:
    written = io.StringIO()
    with pytest.raises(ZeroDivisionError), steps(written).step("train a model"):
        _ = 1 / 0
    assert written.getvalue().splitlines()[-1] == "✗ train a model  (2.5 s)"
