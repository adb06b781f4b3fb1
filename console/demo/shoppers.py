"""The shoppers that the view shows: who they are, and how their scores move."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from driftline.serving.v1.scores_pb2 import UserScores

SERIES_MAX = 16  # scores that a sparkline shows
MOVE_MIN = 0.0005  # a smaller change would show as none
_BUSY_EVENTS = 6
_FLASH_S = 1.0  # how long a change is marked
_LEVELS = "▁▂▃▄▅▆▇█"
_SPAN_MIN = 0.02  # a smaller range is not stretched over the whole height: noise would look like news


@dataclass(frozen=True, kw_only=True)
class ShopperRow:
    """One shopper as shown. `purchase` is None while no model scores; `move` is the last change of it."""

    user_id: str
    purchase: float | None
    move: float
    engagement: float
    churn: float
    category: str
    session_events: int
    trend: tuple[float, ...]
    fresh: bool  # changed within the last second


class Shopper:
    """A shown shopper and the latest scores."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self._scores: UserScores | None = None
        self._series: deque[float] = deque(maxlen=SERIES_MAX)
        self._changed_s = float("-inf")

    def update(self, scores: UserScores, now_s: float) -> None:
        """Take scores as they were read; only new ones count."""
        before = self._scores
        if before is not None and _version(scores) == _version(before):
            return
        self._scores = scores
        self._changed_s = now_s if before is not None else self._changed_s
        if "purchase_propensity" in scores.scores:
            self._series.append(scores.scores["purchase_propensity"])

    def row(self, now_s: float) -> ShopperRow | None:
        """The row, None while there are no scores."""
        if self._scores is None:
            return None
        scores = self._scores
        series = tuple(self._series)
        return ShopperRow(
            user_id=self.user_id,
            purchase=scores.scores.get("purchase_propensity"),
            move=series[-1] - series[-2] if len(series) > 1 else 0.0,
            engagement=scores.scores.get("engagement", 0.0),
            churn=scores.scores.get("churn_risk", 0.0),
            category=scores.affinities[0].category if scores.affinities else "",
            session_events=scores.session.events,
            trend=series,
            fresh=now_s - self._changed_s < _FLASH_S,
        )


def by_interest(activity: Mapping[str, int]) -> list[str]:
    """Users in the order in which they are worth watching, given how many events each sent lately.

    An event every few seconds moves scores visibly; those of the busiest are saturated, so they come last.
    """
    return sorted(activity, key=lambda user_id: (activity[user_id] > _BUSY_EVENTS, -activity[user_id]))


class Watchlist:
    """Which shoppers are shown: active ones, each in a place of its own for as long as it stays active."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._shoppers: list[Shopper] = []

    @property
    def user_ids(self) -> list[str]:
        """The shown shoppers, from the top."""
        return [shopper.user_id for shopper in self._shoppers]

    def follow(self, active: Sequence[str]) -> None:
        """Give the places of those who became quiet to others; `active` has those first who are worth watching most."""
        kept = set(active)
        newcomers = [user_id for user_id in active if user_id not in self.user_ids]
        for place, shopper in enumerate(self._shoppers):
            if shopper.user_id not in kept and newcomers:
                self._shoppers[place] = Shopper(newcomers.pop(0))
        missing = self._size - len(self._shoppers)
        self._shoppers += [Shopper(user_id) for user_id in newcomers[:missing]]

    def update(self, scores: Sequence[UserScores], now_s: float) -> None:
        """Take the scores of shown shoppers."""
        by_user = {message.user_id: message for message in scores}
        for shopper in self._shoppers:
            if shopper.user_id in by_user:
                shopper.update(by_user[shopper.user_id], now_s)

    def rows(self, now_s: float) -> list[ShopperRow]:
        """The shoppers who have scores, from the top."""
        return [row for shopper in self._shoppers if (row := shopper.row(now_s)) is not None]


def _version(scores: UserScores) -> tuple[int, int, int]:
    return scores.generation, scores.accepted_events, scores.age_s


def sparkline(values: Sequence[float]) -> str:
    """The values as bars, low to high over their own range."""
    if not values:
        return ""
    low, high = min(values), max(values)
    if high - low < _SPAN_MIN:
        low = (low + high) / 2 - 0.45 * _SPAN_MIN  # a little below the middle: not on the border of two levels
        high = low + _SPAN_MIN
    top = len(_LEVELS) - 1
    return "".join(_LEVELS[min(top, max(0, round((value - low) / (high - low) * top)))] for value in values)


def arrow(move: float) -> str:
    """Up, down or nothing."""
    return "▲" if move > MOVE_MIN else "▼" if move < -MOVE_MIN else " "
