"""How fast something grows, by what was seen of it lately. Pure."""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0


class Pace:
    """The rate of a count over a while, and how long the rest takes at it.

    Args:
        window_s: how long that while is.
        sample_s: counts that are noted faster than this replace the one before, so that few are kept.
    """

    def __init__(self, window_s: float = WINDOW_S, sample_s: float = 0.0) -> None:
        self._window_s = window_s
        self._sample_s = sample_s
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now_s: float, count: int) -> None:
        """Note the count at a time; times never go back."""
        seen = self._seen
        if len(seen) > 1 and now_s - seen[-2][0] < self._sample_s:
            seen[-1] = now_s, count
        else:
            seen.append((now_s, count))
        while len(seen) > 2 and seen[1][0] <= now_s - self._window_s:  # noqa: PLR2004  (two make a rate)
            seen.popleft()

    @property
    def span_s(self) -> float:
        """How long it has been looked at, within the window."""
        return self._seen[-1][0] - self._seen[0][0] if self._seen else 0.0

    @property
    def rate_s(self) -> float:
        """By how much it grew a second; 0 while nobody can tell."""
        span_s = self.span_s
        return max(0, self._seen[-1][1] - self._seen[0][1]) / span_s if span_s > 0 else 0.0

    def left_s(self, total: int) -> float | None:
        """Return how long the rest takes; None while that is not known."""
        rate_s = self.rate_s
        return max(0, total - self._seen[-1][1]) / rate_s if rate_s > 0 else None


def has_caught_up(left: int, traffic_a_s: float, late_s: float) -> bool:
    """Whether a job is as near to the end of its topic as it comes while the topic grows.

    Args:
        left: records that it has not processed.
        traffic_a_s: how many are added a second.
        late_s: as much traffic as may be left.
    """
    return left <= traffic_a_s * late_s
