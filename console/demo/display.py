"""Shows Snapshots: redrawn in place on a terminal, or as a plain line every few seconds."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from console.demo.monitor import Snapshot
from console.demo.silence import silent_line
from console.demo.view import Addresses, plain_line, render

PLAIN_EVERY_S = 5.0


class Display(Protocol):
    """A context manager that shows Snapshots."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the newest one."""


class LiveDisplay:
    """On the terminal's other screen: a change of its size leaves no traces."""

    def __init__(self, console: Console, addresses: Addresses) -> None:
        self._console = console
        self._addresses = addresses
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        """See Display."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See Display."""
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """See Display."""
        width, height = self._console.size
        self._live.update(render(snapshot, self._addresses, width=width, height=height), refresh=True)


class PlainDisplay:
    """Lines; every snapshot may be given, few are printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = PLAIN_EVERY_S
        self._silent = ""

    def __enter__(self) -> Self:
        """See Display."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See Display."""

    def show(self, snapshot: Snapshot) -> None:
        """See Display."""
        if snapshot.running_s >= self._next_s:
            self._next_s += PLAIN_EVERY_S
            self._console.out(plain_line(snapshot), highlight=False)
            if (silent := silent_line(snapshot.away)) != self._silent:
                self._silent = silent
                self._console.out(f"          {silent}", highlight=False)
