"""The timeline of the release before tails were kept in chunks: what the present one is compared with.

It keeps uncommitted events as objects and folds all of them whenever it is asked. Sessions are left out: those of a
sorted history are what the tests compare with.
"""

from __future__ import annotations

from bisect import insort

from udfs.event import FORGET, Event
from udfs.hashing import id_hash
from udfs.profile import EVENTS, FIRST_MS, Profile
from udfs.reused_ids import differing
from udfs.seen_ids import SeenIds
from udfs.timeline import ALL_READ_MS, Outcome, TimelineBounds


class MinuteTimeline:
    """Offer it events, then read `profile()`."""

    def __init__(self, bounds: TimelineBounds) -> None:
        self.bounds = bounds
        self.seen = SeenIds(horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max)
        self.committed = bounds.profile.plan.blank()
        self.tail: list[Event] = []
        self.newest_ms = 0
        self.committed_through_ms = 0
        self.forgotten_through_ms = 0
        self.accepted = 0
        self.overflowed = 0

    def offer(self, event: Event, read_ms: int = ALL_READ_MS, watermark_ms: int = ALL_READ_MS) -> Outcome:
        """See Timeline.offer."""
        reached_ms, time_ms, hashed = min(self.newest_ms, read_ms), event.time_ms, id_hash(event.event_id)
        late_ms = max(self.committed_through_ms, reached_ms - self.bounds.disorder_ms)
        held = self.seen.holds(hashed, time_ms)  # ids may be kept longer than the horizon, for a slower partition
        remembered = time_ms >= reached_ms - self.bounds.dedupe_horizon_ms
        if event.type == FORGET:
            if time_ms <= self.forgotten_through_ms and (held or not remembered):
                return Outcome.DUPLICATE
        elif held and remembered:
            return Outcome.ID_REUSED if differing(event, self.seen, self._earlier(event)) else Outcome.DUPLICATE
        elif time_ms < late_ms:
            return Outcome.LATE
        self._accept(time_ms, watermark_ms)
        if remembered and not held:
            self.seen.add(hashed, time_ms)
        if event.type == FORGET:
            self._forget(time_ms, late_ms)
        elif event.known_ms > self.forgotten_through_ms:  # otherwise it was erased before it arrived
            self._insert(event)
        self._commit(watermark_ms)
        return Outcome.ACCEPTED

    def profile(self) -> Profile:
        """The profile as of the newest event."""
        present = self.committed.copy()
        for event in self.tail:
            present.fold(event, self.bounds.profile)
        return present

    def _earlier(self, event: Event) -> Event | None:
        same = [e for e in self.tail if (e.time_ms, e.event_id) == (event.time_ms, event.event_id)]
        return same[0] if same else None

    def _accept(self, time_ms: int, watermark_ms: int) -> None:
        self.accepted += 1
        self.newest_ms = max(self.newest_ms, time_ms)
        self.seen.expire(min(self.newest_ms, watermark_ms))

    def _insert(self, event: Event) -> None:
        insort(self.tail, event)

    def _forget(self, time_ms: int, late_ms: int) -> None:
        if time_ms > self.forgotten_through_ms:
            self.forgotten_through_ms = time_ms
            self._erase(time_ms, late_ms)

    def _erase(self, time_ms: int, late_ms: int) -> None:
        through_ms = time_ms
        if time_ms < late_ms:
            through_ms += self.bounds.clock_skew_ms_max
        kept = [event for event in self.tail if event.known_ms > time_ms and event.time_ms > through_ms]
        values = self.committed.values
        if (values[EVENTS] and values[FIRST_MS] <= through_ms) or len(kept) < len(self.tail):
            self.committed.clear()
            self.tail[:] = [event for event in kept if event.time_ms >= late_ms or time_ms >= late_ms]

    def _commit(self, watermark_ms: int) -> None:
        tail, bounds = self.tail, self.bounds
        frontier_ms = min(self.newest_ms, watermark_ms) - bounds.disorder_ms
        self.committed_through_ms = max(self.committed_through_ms, frontier_ms)
        number = 0
        while number < len(tail) and tail[number].time_ms < self.committed_through_ms:
            self._commit_one(tail[number])
            number += 1
        while len(tail) - number > bounds.tail_events_max:
            self.overflowed += 1
            self.committed_through_ms = tail[number].time_ms  # events of the same time are not older, so not late
            self._commit_one(tail[number])
            number += 1
        if number:
            del tail[:number]

    def _commit_one(self, event: Event) -> None:
        self.committed.fold(event, self.bounds.profile)
