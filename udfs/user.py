"""One user's timeline: which events are folded, in which order, and what of it is final.

Events that may still be overtaken wait in a short tail, sorted by (event time, id); what is older than the disorder
bound behind the user's newest event is committed. The present profile is always the committed one with the tail folded
on top, so a score never waits for order, and the order of arrival never shows in it.

A FORGET is an order, not one more event in the queue: it is carried out when it arrives, whatever has been committed
meanwhile, and is never folded (docs/decisions/0014-erasure.md).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from driftline.settings import ScoreEventsSettings
from udfs.event import FORGET, Event
from udfs.hashing import id_hash
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
from udfs.seen_ids import SeenIds


@dataclass(frozen=True, kw_only=True)
class TimelineBounds:
    """The bounds of a timeline; all times are event time in milliseconds.

    Raises:
        ValueError: the dedupe horizon or the session gap is shorter than the disorder bound.
    """

    disorder_ms: int
    dedupe_horizon_ms: int
    dedupe_ids_max: int
    tail_events_max: int
    clock_skew_ms_max: int
    profile: ProfileBounds

    @classmethod
    def of(cls, settings: ScoreEventsSettings) -> TimelineBounds:
        """Return the bounds that a job's settings name."""
        return cls(
            disorder_ms=settings.disorder_ms,
            dedupe_horizon_ms=settings.dedupe_horizon_ms,
            dedupe_ids_max=settings.dedupe_ids_max,
            tail_events_max=settings.tail_events_max,
            clock_skew_ms_max=settings.clock_skew_ms_max,
            profile=ProfileBounds(
                session_gap_ms=settings.session_gap_ms,
                user_ttl_ms=settings.user_ttl_ms,
                categories_max=settings.categories_max,
            ),
        )

    def __post_init__(self) -> None:
        shortest = min(self.dedupe_horizon_ms, self.profile.session_gap_ms)
        if shortest < self.disorder_ms:
            message = f"dedupe_horizon_ms and session_gap_ms must not be below disorder_ms ({self.disorder_ms})"
            raise ValueError(message)


class Outcome(Enum):
    """Where an offered event went."""

    ACCEPTED = auto()
    DUPLICATE = auto()
    LATE = auto()


class Published(NamedTuple):
    """The newest session that went to the sessions topic."""

    start_ms: int = 0
    events: int = 0
    revision: int = 0


_NOTHING_PUBLISHED = Published()


class ClosedSession(NamedTuple):
    """A session to publish; `revision` is 1 unless an earlier publication has been extended since."""

    session: Session
    by_quiet: bool
    revision: int
    supersedes_start_ms: int  # of the earlier publication, where an event from before its first one has changed the id


class Overflows:
    """How often a bound of a user was hit."""

    __slots__ = ("amounts", "categories", "ids", "tail")

    def __init__(self) -> None:
        self.ids = 0
        self.tail = 0
        self.categories = 0
        self.amounts = 0  # not added up: in another currency than the user's others


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
        self.published = _NOTHING_PUBLISHED
        self.quiet_check_at_ms = 0
        self.last_arrival_ms = 0
        self.settle()

    @classmethod
    def begin(cls, bounds: TimelineBounds) -> Timeline:
        """Return the timeline of a user never seen before."""
        seen = SeenIds(horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max)
        return cls(bounds, seen, Profile(), [])

    def offer(self, event: Event) -> Outcome:
        """Accept the event, or say that it is a duplicate or late. Closed sessions gather in `closed`.

        A FORGET is never late. It is a duplicate only if it repeats what was carried out before.
        """
        if event.type == FORGET:
            return self._obey(event)
        time_ms, seen, hashed = event.time_ms, self.seen, id_hash(event.event_id)
        if seen.holds(hashed, time_ms):
            return Outcome.DUPLICATE
        if time_ms < self.committed_through_ms:
            return Outcome.LATE
        self.accepted += 1
        self.touched = True
        if time_ms > self.newest_ms:
            self.newest_ms = time_ms
            seen.expire(time_ms)
        self.overflows.ids += seen.add(hashed, time_ms)
        if event.known_ms > self.forgotten_through_ms:  # else it was forgotten before it arrived
            insort(self.tail, event)
        self._commit()
        return Outcome.ACCEPTED

    def profile(self) -> Profile:
        """Fold the tail on top of what is committed: the profile as of the user's newest event."""
        profile = self.committed.copy()
        for event in self.tail:
            profile.fold(event, self.bounds.profile)
        return profile

    def close_quiet(self) -> None:
        """Publish the current session because the user has sent nothing for the session gap of wall-clock time.

        It changes nothing but what has been published: later events fold as they would have anyway.
        """
        profile, committed = self.profile(), self.committed
        if profile.empty:
            return
        if not committed.empty and committed.session.start_ms < profile.session.start_ms:
            self._publish(committed.session, by_quiet=False)  # ended by an event that still waits in the tail
        self._publish(profile.session, by_quiet=True)

    def settle(self) -> None:
        """Clear what was gathered since the state was read: the caller has taken it."""
        self.touched = False
        self.forgets_late = 0
        self.closed: list[ClosedSession] = []
        self.overflows = Overflows()

    def _obey(self, forget: Event) -> Outcome:
        """Carry out a FORGET, also one whose id another event has used, which must not protect a user's data."""
        time_ms, seen, hashed = forget.time_ms, self.seen, id_hash(forget.event_id)
        remembered = time_ms >= self.newest_ms - seen.horizon_ms  # an older id would be forgotten at once
        held = seen.holds(hashed, time_ms)
        if time_ms <= self.forgotten_through_ms and (held or not remembered):
            return Outcome.DUPLICATE
        self.accepted += 1
        self.touched = True
        if time_ms > self.newest_ms:
            self.newest_ms = time_ms
            seen.expire(time_ms)
        if remembered and not held:
            self.overflows.ids += seen.add(hashed, time_ms)
        if time_ms > self.forgotten_through_ms:
            self.forgotten_through_ms = time_ms
            self._erase(time_ms)
        self._commit()
        return Outcome.ACCEPTED

    def _erase(self, time_ms: int) -> None:
        """Erase what was known by `time_ms`.

        In the tail that is exact. Behind the frontier it depends on what has been committed, which cannot be taken
        apart: a profile that holds anything from before is erased whole. There, events dated after the request by no
        more than a clock may be fast count as from before it, for they arrived before it.
        """
        through_ms = time_ms
        if time_ms < self.committed_through_ms:
            self.forgets_late += 1
            through_ms += self.bounds.clock_skew_ms_max
        kept = [event for event in self.tail if event.known_ms > time_ms and event.time_ms > through_ms]
        values = self.committed.values
        if (values[EVENTS] and values[FIRST_MS] <= through_ms) or len(kept) < len(self.tail):
            self.committed.clear()
            self.tail[:] = kept
            self.published = _NOTHING_PUBLISHED

    def _commit(self) -> None:
        tail, committed, bounds = self.tail, self.committed, self.bounds
        frontier_ms = self.newest_ms - bounds.disorder_ms
        self.committed_through_ms = max(self.committed_through_ms, frontier_ms)
        while tail and tail[0].time_ms < self.committed_through_ms:
            self._commit_first()
        while len(tail) > bounds.tail_events_max:
            self.overflows.tail += 1
            self.committed_through_ms = tail[0].time_ms + 1
            self._commit_first()
        gap_ms = bounds.profile.session_gap_ms
        values, published = committed.values, self.published
        if (
            values[EVENTS]
            and values[LAST_MS] + gap_ms < self.committed_through_ms
            and (values[SESSION_START_MS], values[SESSION_EVENTS]) != published[:2]
        ):
            self._publish(committed.session, by_quiet=False)

    def _commit_first(self) -> None:
        event, committed = self.tail.pop(0), self.committed
        if committed.values[EVENTS] and event.time_ms > committed.values[LAST_MS] + self.bounds.profile.session_gap_ms:
            self._publish(committed.session, by_quiet=False)
        left_out = committed.values[AMOUNTS_LEFT_OUT]
        self.overflows.categories += committed.fold(event, self.bounds.profile)
        if committed.values[AMOUNTS_LEFT_OUT] > left_out:
            self.overflows.amounts += 1

    def _publish(self, session: Session, *, by_quiet: bool) -> None:
        before = self.published
        if session.end_ms < before.start_ms:
            return  # sessions are published in their order, so this one has been
        if (session.start_ms, session.events) == (before.start_ms, before.events):
            return
        extends = session.start_ms <= before.start_ms <= session.end_ms
        revision = before.revision + 1 if extends else 1
        superseded_ms = before.start_ms if extends and before.start_ms != session.start_ms else 0
        self.published = Published(session.start_ms, session.events, revision)
        self.closed.append(ClosedSession(session, by_quiet, revision, superseded_ms))
