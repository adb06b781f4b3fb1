"""What the demo is doing, step by step: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Step:
    """A step that is under way."""

    def __init__(self, title: str, show: Callable[[str], object]) -> None:
        self.done = title
        self._title = title
        self._show = show

    def note(self, text: str) -> None:
        """Say what is going on within the step; seen on a terminal only."""
        self._show(f"{self._title}: {text}")


class Steps:
    """Prints each step as it ends, with the seconds that it took."""

    def __init__(self, console: Console, *, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._live = live
        self._clock = clock

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run a step; its `done` is printed at its end, or a cross beside the title if it fails."""
        started_s = self._clock()
        status: AbstractContextManager[Status | None] = nullcontext()
        if self._live:
            status = self._console.status(Text(title))
        else:
            self.say(f"  {title} ...")
        with status as spinner:
            step = Step(title, lambda text: spinner.update(Text(text)) if spinner is not None else None)
            try:
                yield step
            except BaseException:
                self._mark("✗", "red", title, started_s)
                raise
        self._mark("✓", "green", step.done, started_s)

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _mark(self, mark: str, style: str, text: str, started_s: float) -> None:
        took = f"  ({self._clock() - started_s:.1f} s)"
        self._console.print(Text.assemble((mark, style), f" {text}", (took, "dim")), soft_wrap=True)
