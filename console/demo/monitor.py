"""Gathers what is known at a moment into one Snapshot, to be shown."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from console.demo.freshness import Freshness, FreshnessLog
from console.demo.shoppers import ShopperRow, Watchlist, by_interest
from console.demo.silence import Away, AwayRow, away_row
from console.demo.traffic import Kind, Traffic
from console.progress import Drained
from driftline.errors import ServiceUnavailable
from driftline.serving.v1.scores_pb2 import UserScores
from sink_connectors.score_store import Progress

ACTIVE_S = 20.0  # a shopper without an event for this long leaves the view
TROUBLE_S_MAX = 30.0  # how long a service may be unavailable: someone may be trying out what happens
_RATE_WINDOW_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The demo at a moment."""

    running_s: float = 0.0
    left_s: float | None = None  # None: until Ctrl-C
    counts: Counter[Kind] = field(default_factory=Counter)
    out_of_order: int = 0
    published_per_s: float = 0.0
    scored_per_s: float = 0.0
    waiting: int = 0  # published but not processed yet
    totals: Progress = field(default_factory=Progress)
    freshness: Freshness = field(default_factory=Freshness)
    rows: Sequence[ShopperRow] = ()
    away: Sequence[AwayRow] = ()  # who falls silent
    model_version: str = ""
    trouble: str = ""  # why a part of this is old; empty: nothing is


class Rate:
    """Events a second over the last seconds, from a counter that is looked at now and then."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_second(self, now_s: float, count: int) -> float:
        """Note the count, and return the rate; 0 at first."""
        self._seen.append((now_s, count))
        while now_s - self._seen[0][0] > _RATE_WINDOW_S:
            self._seen.popleft()
        began_s, began = self._seen[0]
        return (count - began) / (now_s - began_s) if now_s > began_s else 0.0


class ScoresSource(Protocol):
    """The part of ScoresClient that the monitor needs."""

    def scores(self, user_ids: Sequence[str]) -> list[UserScores]:
        """The scores of those of the users who have any, in this order."""

    def with_as_of_event(self, user_ids: Sequence[str]) -> list[UserScores]:
        """The same, with what scores with an age were as of the newest event."""


class Monitor:
    """Looks at the traffic, the topic, the job's totals and the shown shoppers' scores. Used by one thread."""

    def __init__(
        self,
        *,
        traffic: Traffic,
        log: FreshnessLog,
        look: Callable[[], Drained],
        source: ScoresSource,
        watchlist: Watchlist,
        away: Sequence[Away] = (),
        seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._traffic = traffic
        self._log = log
        self._look = look
        self._source = source
        self._watchlist = watchlist
        self._away_ids = [one.user_id for one in away]
        self._away: list[AwayRow] = []
        self._seconds = seconds
        self._clock = clock
        self._started_s = clock()
        self._published, self._scored = Rate(), Rate()
        self._seen = Drained(0, Progress())
        self._model_version = ""
        self._well_s = self._started_s

    def snapshot(self) -> Snapshot:
        """Look now. A service that is unavailable is shown; after TROUBLE_S_MAX its ServiceUnavailable is raised."""
        trouble = self._refresh()
        now_s = self._clock()
        counts, seen, running_s = self._traffic.counts, self._seen, now_s - self._started_s
        return Snapshot(
            running_s=running_s,
            left_s=None if self._seconds is None else max(self._seconds - running_s, 0.0),
            counts=counts,
            out_of_order=self._traffic.out_of_order,
            published_per_s=self._published.per_second(now_s, counts.total()),
            scored_per_s=self._scored.per_second(now_s, seen.totals.events),
            waiting=max(seen.published - seen.totals.events, 0),
            totals=seen.totals,
            freshness=self._log.recent(),
            rows=self._watchlist.rows(now_s),
            away=self._away,
            model_version=self._model_version,
            trouble=trouble,
        )

    def _refresh(self) -> str:
        self._watchlist.follow(by_interest(self._traffic.activity(ACTIVE_S)))
        try:
            self._seen = self._look()
            scores = self._source.scores(self._watchlist.user_ids)
            away = self._source.with_as_of_event(self._away_ids) if self._away_ids else []
        except ServiceUnavailable as error:
            if self._clock() - self._well_s > TROUBLE_S_MAX:
                raise
            return str(error)
        self._well_s = self._clock()
        self._watchlist.update(scores, self._well_s)
        self._away = [away_row(message) for message in away]
        newest = max(scores, key=lambda message: message.written_at_ms, default=None)
        self._model_version = newest.model_version if newest is not None else self._model_version
        return ""
