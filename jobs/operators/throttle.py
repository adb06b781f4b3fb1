"""Keeps a task to a rate, so that a replay leaves room for live traffic. Pure: the operator waits."""

from __future__ import annotations

from typing import Final

WAIT_S_MAX: Final = 1.0  # a longer one would hold up a stop, and the checkpoint barrier behind this block


class Throttle:
    """The rate of one task: a part of a block waits until the one before it has had its time.

    Args:
        events_a_s: at most; 0 for no bound. A task takes at least one event in WAIT_S_MAX.

    Attributes:
        events_max: that a part of a block may have, so that no wait is longer than WAIT_S_MAX; 0 where nothing waits.
    """

    def __init__(self, events_a_s: float) -> None:
        self._events_a_s = events_a_s
        self.events_max = max(1, int(events_a_s * WAIT_S_MAX)) if events_a_s else 0
        self._free_at_s = 0.0

    def wait_s(self, events: int, at_s: float) -> float:
        """Return how long to wait before these events are taken, and note that they are taken then.

        Args:
            events: `events_max` at most.
            at_s: now, by a clock that never goes back.
        """
        if not self._events_a_s:
            return 0.0
        wait_s = min(max(0.0, self._free_at_s - at_s), WAIT_S_MAX)
        self._free_at_s = at_s + wait_s + events / self._events_a_s
        return wait_s
