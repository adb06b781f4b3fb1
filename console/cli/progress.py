"""How far long work is: a bar on a terminal's stderr, else a line now and then, with rate and time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import typer

from console.pace import Pace

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_S: Final = 10.0
_WINDOW_S: Final = 20.0  # whose rate is shown
_SAMPLE_S: Final = 0.5


def progress_text(done: int, total: int, pace: Pace, what: str) -> str:
    """Say how far work is: 1,200,000 of 2,000,000 events (60 %), 41,200/s, 0:19 left."""
    share = f" ({100 * done // total} %)" if total else ""
    text = f"{done:,} of {total:,} {what}{share}"
    left_s = pace.left_s(total)
    if left_s is None:
        return text
    minutes, seconds = divmod(round(left_s), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{text}, {pace.rate_s:,.0f}/s, {clock} left"


class Progressing:
    """Shows progress while it is entered.

    Args:
        what: is counted.
        terminal: whether stderr is one; None: ask.
        clock: seconds.
        echo: writes a line.
    """

    def __init__(
        self,
        what: str = "events",
        *,
        terminal: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        echo: Callable[[str], object] = lambda line: typer.echo(line, err=True),
    ) -> None:
        self._what = what
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._clock = clock
        self._echo = echo
        self._pace = Pace(_WINDOW_S, _SAMPLE_S)
        self._line_at_s = 0.0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        self._line_at_s = self._clock() + LINE_EVERY_S
        if self._terminal:
            from rich.console import Console  # only where it is shown
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (BarColumn(), TextColumn("{task.description}"))
            self._bar = self._opened.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
            self._task = self._bar.add_task("", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def show(self, done: int, total: int, note: str = "") -> None:
        """Show how much of all is done, and perhaps what else there is to say."""
        now_s = self._clock()
        self._pace.note(now_s, done)
        if self._bar is None and now_s < self._line_at_s:
            return
        text = progress_text(done, total, self._pace, self._what) + (f"; {note}" if note else "")
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None, description=text)
        else:
            self._line_at_s = now_s + LINE_EVERY_S
            self._echo(text)
