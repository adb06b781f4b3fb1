"""One user's timeline: which events are folded, in which order, and what of it is final.

Events that may still be overtaken wait in a tail, sorted by (event time, id); what is older than the disorder bound
behind the user's newest event is committed. The present profile is always the committed one with the tail folded on
top, so a score never waits for order, and the order of arrival never shows in it. Where a user's events come from
several partitions, what one of them has yet to deliver holds the commit back (docs/decisions/0025-partitions.md).

A FORGET is an order, not one more event in the queue: it is carried out when it arrives, whatever has been committed
meanwhile, and is never folded (docs/decisions/0014-erasure.md).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from udfs.event import FORGET, Event
from udfs.hashing import id_hash
from udfs.overflows import Overflows
from udfs.profile import (
    AMOUNTS_LEFT_OUT,
    EVENTS,
    FIRST_MS,
    LAST_MS,
    SESSION_EVENTS,
    SESSION_START_MS,
    Profile,
    ProfileBounds,
    Session,
)
from udfs.published import ClosedSession, PublishedSessions
from udfs.reused_ids import differing
from udfs.seen_ids import SeenIds

ALL_READ_MS: Final = 1 << 62  # the clock of a log that is read in its order: nothing from before is still to come


@dataclass(frozen=True, kw_only=True)
class TimelineBounds:
    """The bounds of a timeline; all times are event time in milliseconds.

    Raises:
        ValueError: the dedupe horizon is shorter than the disorder bound.
    """

    disorder_ms: int
    dedupe_horizon_ms: int
    dedupe_ids_max: int
    tail_events_max: int
    clock_skew_ms_max: int
    profile: ProfileBounds

    def __post_init__(self) -> None:
        if self.dedupe_horizon_ms < self.disorder_ms:
            message = f"dedupe_horizon_ms must not be below disorder_ms ({self.disorder_ms})"
            raise ValueError(message)


class Outcome(Enum):
    """Where an offered event went."""

    ACCEPTED = auto()
    DUPLICATE = auto()
    LATE = auto()
    ID_REUSED = auto()  # another event under the id of one before


class Timeline:
    """A user's state, decoded. `offer` events, read `profile()`, `encode` it again.

    Attributes, besides what the state holds (state.proto):
        overflows, forgets_late, closed, touched: how often a bound was hit, how many FORGET events were carried out
            behind the frontier, the sessions to publish, and whether an event was accepted, all since the timeline
            was last settled; the caller takes them.
        committed_through_ms: events older than this are late.
        forgotten_through_ms: the newest time of a FORGET; what was known by then is erased, and stays so.
    """

    __slots__ = (
        "_present",
        "accepted",
        "bounds",
        "closed",
        "committed",
        "committed_through_ms",
        "forgets_late",
        "forgotten_through_ms",
        "last_arrival_ms",
        "newest_ms",
        "overflows",
        "published",
        "quiet_check_at_ms",
        "seen",
        "tail",
        "touched",
    )

    def __init__(self, bounds: TimelineBounds, seen: SeenIds, committed: Profile, tail: list[Event]) -> None:
        self.bounds = bounds
        self.seen = seen
        self.committed = committed
        self.tail = tail
        self.newest_ms = 0
        self.committed_through_ms = 0
        self.forgotten_through_ms = 0
        self.accepted = 0
        self.published = PublishedSessions()
        self.quiet_check_at_ms = 0
        self.last_arrival_ms = 0
        self._present: Profile | None = None
        self.touched = False
        self.forgets_late = 0
        self.closed: list[ClosedSession] = []
        self.overflows = Overflows()

    @classmethod
    def begin(cls, bounds: TimelineBounds) -> Timeline:
        """Return the timeline of a user never seen before."""
        seen = SeenIds(horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max)
        return cls(bounds, seen, Profile(), [])

    def offer(self, event: Event, read_ms: int = ALL_READ_MS, watermark_ms: int = ALL_READ_MS) -> Outcome:
        """Accept the event, or say why not. Closed sessions gather in `closed`.

        A FORGET is never late. It is a duplicate only if it repeats what was carried out before.

        Args:
            event: the event.
            read_ms: the newest record timestamp, this one's included, of the event's partition. An event that is no
                further behind it than the disorder bound is late in no order in which partitions are read.
            watermark_ms: no partition will deliver a record with an older timestamp, as far as is known.
        """
        reached_ms, time_ms, hashed = min(self.newest_ms, read_ms), event.time_ms, id_hash(event.event_id)
        late_ms = max(self.committed_through_ms, reached_ms - self.bounds.disorder_ms)
        held = self.seen.holds(hashed, time_ms)  # it may be for longer than here, for another partition
        remembered = time_ms >= reached_ms - self.bounds.dedupe_horizon_ms
        if event.type == FORGET:
            if time_ms <= self.forgotten_through_ms and (held or not remembered):
                return Outcome.DUPLICATE
        elif held and remembered:
            return Outcome.ID_REUSED if differing(event, self.seen, self.tail) else Outcome.DUPLICATE
        elif time_ms < late_ms:
            return Outcome.LATE
        self._accept(time_ms, watermark_ms)
        if remembered and not held:
            self.overflows.ids += self.seen.add(hashed, time_ms)
        if event.type == FORGET:
            self._obey(time_ms, late_ms)
        elif event.known_ms > self.forgotten_through_ms:  # else it was forgotten before it arrived
            self._insert(event)
        self._commit(watermark_ms)
        return Outcome.ACCEPTED

    def profile(self) -> Profile:
        """The profile as of the user's newest event: the tail on top of what is committed. Not to be changed."""
        present = self._present
        if present is None:
            present = self._present = self.committed.copy()
            for event in self.tail:
                present.fold(event, self.bounds.profile)
        return present

    def close_quiet(self) -> None:
        """Publish all sessions, for the user has sent nothing for the session gap of wall-clock time.

        It changes nothing but what has been published: later events fold as they would have anyway.
        """
        profile, bounds = self.committed.copy(), self.bounds.profile
        for event in self.tail:
            if profile.is_ended_by(event, bounds):
                self._publish(profile.session, by_quiet=False)
            profile.fold(event, bounds)
        if not profile.empty:
            self._publish(profile.session, by_quiet=True)

    def settle(self) -> None:
        """Clear what was gathered since the state was read: the caller has taken it."""
        self.touched = False
        if self.has_news():
            self.forgets_late = 0
            self.closed = []
            self.overflows = Overflows()

    def has_news(self) -> bool:
        """Whether there is anything for the caller beside the profile: most events leave nothing."""
        return bool(self.closed) or self.forgets_late > 0 or self.overflows.any()

    def _accept(self, time_ms: int, watermark_ms: int) -> None:
        self.accepted += 1
        self.touched = True
        self.newest_ms = max(self.newest_ms, time_ms)
        self.seen.expire(min(self.newest_ms, watermark_ms))

    def _insert(self, event: Event) -> None:
        tail = self.tail
        if tail and event < tail[-1]:
            insort(tail, event)
            self._present = None
            return
        tail.append(event)  # as most do: folded once now, and once when it is committed
        if self._present is not None:
            self._present.fold(event, self.bounds.profile)

    def _obey(self, time_ms: int, late_ms: int) -> None:
        """Carry out a FORGET, also one whose id another event has used, which must not protect a user's data."""
        if time_ms > self.forgotten_through_ms:
            self.forgotten_through_ms = time_ms
            self._erase(time_ms, late_ms)

    def _erase(self, time_ms: int, late_ms: int) -> None:
        """Erase what was known by `time_ms`.

        In the tail that is exact. Behind `late_ms` all counts as committed, although some of it may wait for a
        partition: what is committed cannot be taken apart, so a profile that holds anything from before is erased
        whole. There, events dated after the request by no more than a clock may be fast count as from before it, for
        they arrived before it.
        """
        through_ms = time_ms
        if time_ms < late_ms:
            self.forgets_late += 1
            through_ms += self.bounds.clock_skew_ms_max
        kept = [event for event in self.tail if event.known_ms > time_ms and event.time_ms > through_ms]
        values = self.committed.values
        if (values[EVENTS] and values[FIRST_MS] <= through_ms) or len(kept) < len(self.tail):
            self.committed.clear()
            self.tail[:] = [event for event in kept if event.time_ms >= late_ms or time_ms >= late_ms]
            self.published.clear()
            self._present = None

    def _commit(self, watermark_ms: int) -> None:
        tail, bounds = self.tail, self.bounds
        frontier_ms = min(self.newest_ms, watermark_ms) - bounds.disorder_ms
        self.committed_through_ms = max(self.committed_through_ms, frontier_ms)
        number = 0
        while number < len(tail) and tail[number].time_ms < self.committed_through_ms:
            self._commit_one(tail[number])
            number += 1
        while len(tail) - number > bounds.tail_events_max:
            self.overflows.tail += 1
            self.committed_through_ms = tail[number].time_ms  # what happened at the same time is not older, so not late
            self._commit_one(tail[number])
            number += 1
        if number:
            del tail[:number]
        self._publish_committed()

    def _commit_one(self, event: Event) -> None:
        committed, bounds = self.committed, self.bounds.profile
        if committed.is_ended_by(event, bounds):
            self._publish(committed.session, by_quiet=False)
            self.published.settle(event.time_ms)
        left_out = committed.values[AMOUNTS_LEFT_OUT]
        self.overflows.categories += committed.fold(event, bounds)
        if committed.values[AMOUNTS_LEFT_OUT] > left_out:
            self.overflows.amounts += 1

    def _publish_committed(self) -> None:
        """Publish the committed session if no event can extend it any more."""
        values = self.committed.values
        if (
            values[EVENTS]
            and values[LAST_MS] + self.bounds.profile.session_gap_ms < self.committed_through_ms
            and not self.published.has(int(values[SESSION_START_MS]), int(values[SESSION_EVENTS]))
        ):
            self._publish(self.committed.session, by_quiet=False)

    def _publish(self, session: Session, *, by_quiet: bool) -> None:
        closed = self.published.publish(session, by_quiet=by_quiet)
        if closed is not None:
            self.closed.append(closed)
