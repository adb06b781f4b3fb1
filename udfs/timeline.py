"""One user's timeline: which events are folded, in which order, and which of them are committed.

A timeline is a user's state in memory. The message that it is stored as is UserState (state.proto), which
state_schemas/user_state.py encodes and decodes; state_schemas/users.py reads and writes them as keyed state.

Events that an earlier one may still follow wait in a tail, sorted by (event time, id). Those further behind the user's
newest event than the disorder bound are committed, and an event that is older than them is late. The present profile
contains the tail, so scores need not wait for the order, and do not depend on the order of arrival: an event in order
is folded once, and one out of order has the events after it folded again (docs/decisions/0033-deep-tail.md). If a
user's events come from several partitions, the slowest of them holds the commit back
(docs/decisions/0025-partitions.md).

A FORGET is carried out when it arrives, whatever has been committed by then, and is never folded
(docs/decisions/0014-erasure.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from udfs.erasure import left_by_forget
from udfs.event import FORGET, Event
from udfs.hashing import id_hash
from udfs.overflows import Overflows
from udfs.packed_profile import pack_profile, unpack_profile
from udfs.profile import AMOUNTS_LEFT_OUT, FIRST_MS, SESSION_START_MS, Profile, ProfileBounds, Session
from udfs.published import ClosedSession, PublishedSessions
from udfs.reused_ids import differing
from udfs.seen_ids import SeenIds
from udfs.segments import Membership
from udfs.tail import Chunk, Tail

NOT_STALE: Final = -1
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
    tail_bytes_max: int
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
    HEAL_REFUSED = auto()  # a heal order that does not fit; `offer` never says so


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
        "_settled_ms",
        "_stale_from",
        "accepted",
        "age_s",
        "aged",
        "bounds",
        "check_at_ms",
        "closed",
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

    def __init__(self, bounds: TimelineBounds, seen: SeenIds, tail: Tail, present: Profile | None) -> None:
        """Make a timeline.

        Args:
            bounds: of the timeline.
            seen: the ids that are remembered.
            tail: the events and the profiles before them.
            present: the profile after them; None where it is still to be folded.
        """
        self.bounds = bounds
        self.seen = seen
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
        self._present: Profile = present if present is not None else bounds.profile.plan.blank()
        self._stale_from = NOT_STALE if present is not None else 0  # the chunk from which on events are to be folded
        self._settled_ms = 0  # sessions that ended a session gap before it are published, and final
        self.touched = False
        self.forgets_late = 0
        self.closed: list[ClosedSession] = []
        self.overflows = Overflows()

    @classmethod
    def begin(cls, bounds: TimelineBounds) -> Timeline:
        """Return the empty timeline of a new user."""
        seen = SeenIds(horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max)
        return cls(bounds, seen, tail_of(bounds, [Chunk(b"")]), bounds.profile.plan.blank())

    def settled(self, committed_through_ms: int) -> None:
        """Set what a stored state has: everything before is committed, and its sessions are published."""
        self.committed_through_ms = self._settled_ms = committed_through_ms

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
            return Outcome.ID_REUSED if self.differing(event) else Outcome.DUPLICATE
        elif time_ms < late_ms:
            return Outcome.LATE
        self._accept(time_ms)
        self.seen.expire(min(self.newest_ms, watermark_ms))
        if remembered and not held:
            self.overflows.ids += self.seen.add(hashed, time_ms)
        if event.type == FORGET:
            self._forget(time_ms, late_ms)
        frontier_ms = min(self.newest_ms, watermark_ms) - self.bounds.disorder_ms
        self.committed_through_ms = max(self.committed_through_ms, frontier_ms)
        if event.type != FORGET and event.known_ms > self.forgotten_through_ms:  # else it was erased before it arrived
            self._insert(event)
        if self._stale_from == NOT_STALE:
            self._commit()
        return Outcome.ACCEPTED

    def profile(self) -> Profile:
        """Return the profile as of the user's newest event; read-only. Sessions that this closes are added to `closed`.

        Events from one that arrived out of order on are folded again.
        """
        if self._stale_from != NOT_STALE:
            self._fold_again()
            self._commit()
        return self._present

    def waiting(self) -> list[Event]:
        """Return the events that are not committed, in the order of the fold."""
        return [event for event in self.tail.read() if event.time_ms >= self.committed_through_ms]

    def differing(self, event: Event) -> list[str]:
        """Name the fields in which an event differs from the earlier one with its id (`reused_ids.differing`)."""
        earlier = None
        if event.time_ms >= self.committed_through_ms:
            earlier = self.tail.find(event.time_ms, event.event_id)
        return differing(event, self.seen, earlier)

    def as_of(self) -> Profile:
        """Return the profile that is evaluated: as of the age while a check does, else as of the newest event."""
        return self.aged if self.aged is not None else self.profile()

    def replace_before(self, cut_ms: int, profile: bytes, healed: int) -> None:
        """Have a packed profile in place of what was folded of events before a time, and fold those from it on again.

        What arrives from before that time later on is late. `healed` late events, at least one, count as accepted.
        """
        kept = [event for event in self.tail.read() if event.time_ms >= cut_ms]
        self._accept(self.newest_ms)
        self.accepted += max(0, healed - 1)
        self._settled_ms = min(self._settled_ms, cut_ms)  # the session that goes on at the cut is published again
        self.committed_through_ms = max(self.committed_through_ms, cut_ms)
        self.tail.begin_anew(profile)
        for event in kept:
            self.tail.append(event)
        self._stale_from = 0

    def close_quiet(self) -> None:
        """Publish the current session, because the user has sent nothing for the session gap of wall-clock time.

        Only `published` and `closed` change: later events are folded as they would have been without it.
        """
        profile = self.profile()
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

    def _accept(self, time_ms: int) -> None:
        self.accepted += 1
        self.age_s = 0
        self.touched = True
        self.newest_ms = max(self.newest_ms, time_ms)

    def _insert(self, event: Event) -> None:
        tail = self.tail
        if not tail.is_before(event):
            at = tail.insert(event)
            self._stale_from = at if self._stale_from == NOT_STALE else min(self._stale_from, at)
            return
        if self._stale_from == NOT_STALE:  # the usual case: it is folded now, and never again
            self._fold_next(event)
        tail.append(event)

    def _fold_next(self, event: Event) -> None:
        """Fold an event behind all others. Where a chunk is to end before it, its snapshot is the present profile."""
        tail, present, bounds = self.tail, self._present, self.bounds.profile
        if tail.events and tail.chunks[-1].last_ms < self.committed_through_ms:
            tail.begin_anew(pack_profile(present))
        elif tail.is_full():
            tail.begin_chunk(pack_profile(present))
        if present.is_ended_by(event, bounds):
            self._publish(present.session, by_quiet=False)
        left_out = present.values[AMOUNTS_LEFT_OUT]
        self.overflows.categories += present.fold(event, bounds)
        if present.values[AMOUNTS_LEFT_OUT] > left_out:
            self.overflows.amounts += 1

    def _fold_again(self) -> None:
        """Fold the events from the stale chunk on, make the snapshots anew, and publish sessions that have changed."""
        tail, bounds = self.tail, self.bounds.profile
        at = self._stale_from
        profile = unpack_profile(tail.chunks[at].before, bounds.plan.blank())
        first = at
        while at < len(tail.chunks):
            tail.split_long(at)
            chunk = tail.chunks[at]
            if at > first:
                chunk.before = pack_profile(profile)
            for event in chunk.read():
                if profile.is_ended_by(event, bounds) and self._may_have_changed(profile.session):
                    self._publish(profile.session, by_quiet=False)
                profile.fold(event, bounds)
            at += 1
        if not self._present.empty:  # it is where the state is from before tails were kept in chunks
            left_out = profile.values[AMOUNTS_LEFT_OUT] - self._present.values[AMOUNTS_LEFT_OUT]
            self.overflows.amounts += max(0, int(left_out))
        self._present = profile
        self._stale_from = NOT_STALE

    def _may_have_changed(self, session: Session) -> bool:
        return session.end_ms + self.bounds.profile.session_gap_ms >= self._settled_ms

    def _forget(self, time_ms: int, late_ms: int) -> None:
        """Carry out a FORGET, also one whose id another event has used: that must not prevent an erasure."""
        if time_ms <= self.forgotten_through_ms:
            return
        self.forgotten_through_ms = time_ms
        if time_ms < late_ms:
            self.forgets_late += 1
        skew_ms = self.bounds.clock_skew_ms_max
        left = left_by_forget(self.waiting(), self._first_committed_ms(), time_ms, late_ms, skew_ms)
        if left is None:
            return
        self.tail.begin_anew(b"")
        for event in left:
            self.tail.append(event)
        self.published.clear()
        self._settled_ms = 0
        self._present = self.bounds.profile.plan.blank()
        self._stale_from = 0

    def _first_committed_ms(self) -> int:
        """Return the time of the first committed event of the profile; after all times where there is none."""
        oldest = self.tail.chunks[0]
        if oldest.before:
            return int(unpack_profile(oldest.before, self.bounds.profile.plan.blank()).values[FIRST_MS])
        has_one = oldest.events and oldest.first_ms < self.committed_through_ms
        return oldest.first_ms if has_one else ALL_READ_MS

    def _commit(self) -> None:
        """Give up what no event can change any more, and what is beyond the bounds."""
        tail = self.tail
        tail.drop_before(self.committed_through_ms)
        while tail.is_over():
            dropped = tail.drop_oldest()
            self.overflows.tail += dropped.events - dropped.committed_before(self.committed_through_ms)
            # Events of the same time are not older, so they are not late.
            self.committed_through_ms = max(self.committed_through_ms, dropped.last_ms)
        self._settled_ms = self.committed_through_ms
        if self.published.before:
            self.published.drop_final(self.committed_through_ms, int(self._present.values[SESSION_START_MS]))

    def _publish(self, session: Session, *, by_quiet: bool) -> None:
        closed = self.published.publish(session, by_quiet=by_quiet)
        if closed is not None:
            self.closed.append(closed)


def tail_of(bounds: TimelineBounds, chunks: list[Chunk]) -> Tail:
    """Return the tail of a timeline with these bounds."""
    return Tail(chunks, events_max=bounds.tail_events_max, bytes_max=bounds.tail_bytes_max)
