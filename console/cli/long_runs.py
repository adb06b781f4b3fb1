"""What commands that take long have in common: their progress is shown, and a stop finishes what was begun."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

_ITEMS_A_PROGRESS = 1_000
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that what was begun is finished; a second one ends at once."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        for stop_signal, handler in before.items():
            signal.signal(stop_signal, handler)

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield stop
        return
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    try:
        for number in _STOP_SIGNALS:
            signal.signal(number, end)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def until(stop: threading.Event, items: Iterable[T]) -> Iterator[T]:
    """The items until the command is asked to end."""
    for item in items:
        if stop.is_set():
            return
        yield item


def with_progress(items: Iterable[T], total: int | None, what: str = "events") -> Iterator[T]:
    """The items, counted on a terminal's stderr; without `total` nobody knows how many there will be."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console  # only where it is shown
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(what, *columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        for count, item in enumerate(items, start=1):
            yield item
            if not count % _ITEMS_A_PROGRESS:
                progress.update(task, completed=count)
