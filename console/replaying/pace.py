"""How fast something grows, by what was seen of it lately. Pure."""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0


class Pace:
    """The rate of a count over the last WINDOW_S."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now_s: float, count: int) -> None:
        """Note the count at a time; times never go back."""
        self._seen.append((now_s, count))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - self._window_s:  # noqa: PLR2004  (two make a rate)
            self._seen.popleft()

    @property
    def span_s(self) -> float:
        """How long it has been looked at, within the window."""
        return self._seen[-1][0] - self._seen[0][0] if self._seen else 0.0

    @property
    def a_s(self) -> float:
        """By how much it grew a second; 0 while nobody can tell."""
        span_s = self.span_s
        return max(0, self._seen[-1][1] - self._seen[0][1]) / span_s if span_s > 0 else 0.0


def has_caught_up(left: int, traffic_a_s: float, late_s: float) -> bool:
    """Whether a job is as near to the end of its topic as it comes while the topic grows.

    Args:
        left: records that it has not processed.
        traffic_a_s: how many are added a second.
        late_s: as much traffic as may be left.
    """
    return left <= traffic_a_s * late_s
