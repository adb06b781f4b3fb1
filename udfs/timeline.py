"""One user's timeline: which events are folded, in which order, and which of them are committed.

A timeline is a user's state in memory. The message that it is stored as is UserState (state.proto), which
state_schemas/user_state.py encodes and decodes; state_schemas/users.py reads and writes them as keyed state.

Events that an earlier one may still follow wait in a tail, sorted by (event time, id); those further behind the user's
newest event than the disorder bound are committed. The present profile is the committed one with the tail folded on
top, so scores need not wait for the order, and do not depend on the order of arrival. If a user's events come from
several partitions, the slowest of them holds the commit back (docs/decisions/0025-partitions.md).

A FORGET is carried out when it arrives, whatever has been committed by then, and is never folded
(docs/decisions/0014-erasure.md).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
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
from udfs.segments import Membership

ALL_READ_MS: Final = 1 << 62  # the clock of one log that is read in order: no older record is still to come


@dataclass(frozen=True, kw_only=True)
class TimelineBounds:
    """The bounds of every timeline; all times are event time in milliseconds.

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


_NOWHERE: Final[dict[str, int]] = {}  # of most users: replaced, never changed


class Outcome(Enum):
    """What became of an offered event."""

    ACCEPTED = auto()
    DUPLICATE = auto()
    LATE = auto()
    ID_REUSED = auto()  # it differs from the earlier event with its id


class Timeline:
    """A user's state in memory: `offer` it events, then read `profile()`.

    Attributes, besides those that UserState describes (state.proto):
        overflows, forgets_late, closed, touched: how often a bound was exceeded, how many FORGET events were carried
            out behind the frontier, the sessions to publish, and whether an event was accepted: gathered for the caller
            since `clear_gathered`.
        committed_through_ms: events older than this are late.
        forgotten_through_ms: the newest time of a FORGET; everything that was known by then is erased.
        segments: the memberships as of the newest event, or of the age; set when the user is scored.
        age_s: the age that the scores were last written for, in seconds since the newest event; 0: as of that event.
        aged: the profile as of the age, while a check evaluates it; None otherwise.
        segments_published: the last change of each membership that was published, by segment: since when the user is a
            member, or, with a minus, when they left; milliseconds.
    """

    __slots__ = (
        "_present",
        "accepted",
        "age_s",
        "aged",
        "bounds",
        "check_at_ms",
        "closed",
        "committed",
        "committed_through_ms",
        "forgets_late",
        "forgotten_through_ms",
        "last_arrival_ms",
        "newest_ms",
        "overflows",
        "published",
        "seen",
        "segments",
        "segments_published",
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
        self.age_s = 0
        self.aged: Profile | None = None
        self.check_at_ms = 0
        self.last_arrival_ms = 0
        self.segments: Sequence[Membership] = ()
        self.segments_published: dict[str, int] = _NOWHERE
        self._present: Profile | None = None
        self.touched = False
        self.forgets_late = 0
        self.closed: list[ClosedSession] = []
        self.overflows = Overflows()

    @classmethod
    def begin(cls, bounds: TimelineBounds) -> Timeline:
        """Return the empty timeline of a new user."""
        seen = SeenIds(horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max)
        return cls(bounds, seen, bounds.profile.plan.blank(), [])

    def offer(self, event: Event, read_ms: int = ALL_READ_MS, watermark_ms: int = ALL_READ_MS) -> Outcome:
        """Accept the event, or tell why it is not accepted. Sessions that it closes are added to `closed`.

        A FORGET is never late. It is a duplicate only if its erasure has been carried out before.

        Args:
            event: the event.
            read_ms: the newest record timestamp of the event's partition, this record's included. An event within the
                disorder bound behind it is never late, in whatever order partitions are read.
            watermark_ms: no partition will deliver a record with an older timestamp, as far as is known.
        """
        reached_ms, time_ms, hashed = min(self.newest_ms, read_ms), event.time_ms, id_hash(event.event_id)
        late_ms = max(self.committed_through_ms, reached_ms - self.bounds.disorder_ms)
        held = self.seen.holds(hashed, time_ms)  # ids may be kept longer than the horizon, for a slower partition
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
            self._forget(time_ms, late_ms)
        elif event.known_ms > self.forgotten_through_ms:  # otherwise it was erased before it arrived
            self._insert(event)
        self._commit(watermark_ms)
        return Outcome.ACCEPTED

    def profile(self) -> Profile:
        """Return the profile as of the user's newest event: the committed one and the tail on top. Read-only."""
        present = self._present
        if present is None:
            present = self._present = self.committed.copy()
            for event in self.tail:
                present.fold(event, self.bounds.profile)
        return present

    def as_of(self) -> Profile:
        """Return the profile that is evaluated: as of the age while a check does, else as of the newest event."""
        return self.aged if self.aged is not None else self.profile()

    def close_quiet(self) -> None:
        """Publish all sessions, because the user has sent nothing for the session gap of wall-clock time.

        Only `published` and `closed` change: later events are folded as they would have been without it.
        """
        profile, bounds = self.committed.copy(), self.bounds.profile
        for event in self.tail:
            if profile.is_ended_by(event, bounds):
                self._publish(profile.session, by_quiet=False)
            profile.fold(event, bounds)
        if not profile.empty:
            self._publish(profile.session, by_quiet=True)

    def clear_gathered(self) -> None:
        """Clear what was gathered for the caller, who has taken it."""
        self.touched = False
        if self.has_gathered():
            self.forgets_late = 0
            self.closed = []
            self.overflows = Overflows()

    def has_gathered(self) -> bool:
        """Whether overflows, late FORGETs or closed sessions were gathered; after most events there are none."""
        return bool(self.closed) or self.forgets_late > 0 or self.overflows.any()

    def _accept(self, time_ms: int, watermark_ms: int) -> None:
        self.accepted += 1
        self.age_s = 0
        self.touched = True
        self.newest_ms = max(self.newest_ms, time_ms)
        self.seen.expire(min(self.newest_ms, watermark_ms))

    def _insert(self, event: Event) -> None:
        tail = self.tail
        if tail and event < tail[-1]:
            insort(tail, event)
            self._present = None
            return
        tail.append(event)  # the usual case: it is folded once now, and again when it is committed
        if self._present is not None:
            self._present.fold(event, self.bounds.profile)

    def _forget(self, time_ms: int, late_ms: int) -> None:
        """Carry out a FORGET, also one whose id another event has used: that must not prevent an erasure."""
        if time_ms > self.forgotten_through_ms:
            self.forgotten_through_ms = time_ms
            self._erase(time_ms, late_ms)

    def _erase(self, time_ms: int, late_ms: int) -> None:
        """Erase what was known by `time_ms`.

        Uncommitted events are erased one by one. A committed profile cannot be taken apart, so one that holds any event
        from before `time_ms` is erased as a whole. Events older than `late_ms` count as committed, even if they still
        wait in the tail for a slower partition. If the FORGET itself is older than `late_ms`, events that are dated
        after it by at most the clock skew count as before it, because they arrived before it.
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
            self.committed_through_ms = tail[number].time_ms  # events of the same time are not older, so not late
            self._commit_one(tail[number])
            number += 1
        if number:
            del tail[:number]
        self._publish_committed()

    def _commit_one(self, event: Event) -> None:
        committed, bounds = self.committed, self.bounds.profile
        if committed.is_ended_by(event, bounds):
            self._publish(committed.session, by_quiet=False)
            self.published.drop_before(event.time_ms)
        left_out = committed.values[AMOUNTS_LEFT_OUT]
        self.overflows.categories += committed.fold(event, bounds)
        if committed.values[AMOUNTS_LEFT_OUT] > left_out:
            self.overflows.amounts += 1

    def _publish_committed(self) -> None:
        """Publish the committed session once no event can extend it any more."""
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
