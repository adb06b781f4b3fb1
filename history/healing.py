"""Makes the heal order of a user from the user's records: what the job has, and what it would have with late events.

The job's timeline is followed record by record, by its own code. What is late, and which orders were refused, is read
from the topics that the job writes where they say so, because bounds may have changed since
(docs/decisions/0035-heal.md).
"""

from __future__ import annotations

from array import array
from collections.abc import Container
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from driftline.event.v1.heal_pb2 import HealOrder
from driftline.units import HOUR_MS
from history.folding import Folded, folded
from udfs.decode import Decoder
from udfs.event import FORGET, Event
from udfs.hashing import bytes_hash, id_hash
from udfs.heal import carry_out, profile_at
from udfs.heal_orders import is_order, late_ids, order_bytes, read_order
from udfs.packed_profile import pack_profile
from udfs.plan.plan import Plan
from udfs.profile import Profile, Session
from udfs.published import ClosedSession, Published, session_message
from udfs.rejects import InvalidEventError
from udfs.timeline import Outcome, Timeline, TimelineBounds

REVISIONS_A_HEAL: Final = 1 << 16  # a session has fewer revisions by events, so that those of an order are above
# How much earlier than the tail's middle the cut may be: the tail must still reach it when the order arrives.
CUT_AHEAD_MS: Final = HOUR_MS
_NEARER_BITS: Final = 4  # after an order that was refused, the cut is so many powers of two nearer to the newest event

Place = tuple[int, int]  # partition and offset on the events topic


class Record(NamedTuple):
    """A record of the events topic."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class Verdict(StrEnum):
    """What is to be done for a user."""

    HEAL = "heal"  # an order was made
    IN_PLACE = "in-place"  # late events are in place already, repeat others, or were erased
    NO_HISTORY = "no-history"  # the topic holds no accepted event of the user
    TOO_LARGE = "too-large"  # the order would be larger than the job reads


class Healing(NamedTuple):
    """The result for a user.

    Attributes:
        verdict: what is to be done.
        late: how many late events the order puts in place.
        order: the value of its record; empty without one.
        timestamp_ms: of its record: that of the user's newest, so that no partition's clock moves.
        cut_ms: everything before is replaced.
    """

    verdict: Verdict
    late: int = 0
    order: bytes = b""
    timestamp_ms: int = 0
    cut_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is known of the job.

    Attributes:
        decoder, bounds, plan, folding: as the job has them.
        event_bytes_max: the largest record that it reads.
        now_ms: the wall clock.
    """

    decoder: Decoder
    bounds: TimelineBounds
    plan: Plan
    folding: str
    event_bytes_max: int
    now_ms: int

    def following(self) -> TimelineBounds:
        """Bounds for following its timelines: a tail reaches farther back, so that it contains what the job's does."""
        bounds = self.bounds
        return replace(bounds, tail_events_max=2 * bounds.tail_events_max, tail_bytes_max=2 * bounds.tail_bytes_max)


@dataclass
class _Arrived:
    """An event, and the number of its record in the order of arrival."""

    event: Event
    at: int
    hashed: bytes


@dataclass
class _Erasure:
    """A FORGET that was carried out; `through_ms` is later than its time where it came behind the frontier."""

    time_ms: int
    through_ms: int
    at: int


@dataclass
class UserHistory:
    """Follows what the job made of a user's records; `read` all of them in their order, then ask for the `healing`.

    Args:
        user_id: the user.
        job: that reads the topic.
        late: places of records that are on the late topic.
        rejected: places of those that are dead letters, refused orders included.
    """

    user_id: str
    job: Job
    late: Container[Place] = frozenset()
    rejected: Container[Place] = frozenset()
    heals: int = 0
    _refused: int = 0  # orders, since one was carried out
    _at: int = 0
    _timestamp_ms: int = 0
    _accepted: list[_Arrived] = field(default_factory=list)
    _late: list[_Arrived] = field(default_factory=list)
    _healed: set[tuple[bytes, int]] = field(default_factory=set)
    _erasures: list[_Erasure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.timeline = Timeline.begin(self.job.following())

    def read(self, record: Record) -> None:
        """Take the next record of the user."""
        self._at += 1
        place = record.partition, record.offset
        if place in self.rejected:
            self._refused += record.value is not None and is_order(record.value)
            return
        try:
            if record.value is not None and is_order(record.value):
                self._read_order(record.key, record.value)
                return
            user_id, event = self.job.decoder.decode(record.key, record.value, record.timestamp_ms, self.job.now_ms)
        except InvalidEventError:
            return
        if user_id == self.user_id:
            self._timestamp_ms = max(self._timestamp_ms, record.timestamp_ms)
            self._take(event, is_late=place in self.late)

    def _read_order(self, key: bytes | None, value: bytes) -> None:
        order = read_order(key, value, self.job.event_bytes_max)
        if carry_out(order, self.timeline, order.folding) is Outcome.ACCEPTED:
            self.heals += 1
            self._refused = 0
            self._healed.update(late_ids(order))

    def _take(self, event: Event, *, is_late: bool) -> None:
        timeline, bounds = self.timeline, self.job.bounds
        arrived = _Arrived(event, self._at, id_hash(event.event_id))
        if is_late and event.type != FORGET:
            self._late.append(arrived)
            return
        frontier_ms = max(timeline.committed_through_ms, timeline.newest_ms - bounds.disorder_ms)
        # A watermark that lags keeps more of the tail than the job has.
        outcome = timeline.offer(event, watermark_ms=max(0, max(timeline.newest_ms, event.time_ms) - CUT_AHEAD_MS))
        if outcome is Outcome.LATE:
            self._late.append(arrived)
        elif outcome is Outcome.ACCEPTED and event.type == FORGET:
            skew_ms = bounds.clock_skew_ms_max if event.time_ms < frontier_ms else 0
            self._erasures.append(_Erasure(event.time_ms, event.time_ms + skew_ms, self._at))
        elif outcome is Outcome.ACCEPTED:
            self._accepted.append(arrived)

    def healing(self, heal_id: str) -> Healing:
        """Return what is to be done, with the order of a run."""
        timeline = self.timeline
        if not timeline.accepted:
            return Healing(Verdict.NO_HISTORY)
        placed = self._placed()
        fresh = [one for one in placed if (one.hashed, one.event.time_ms) not in self._healed]
        cut_ms = self._cut_ms(fresh)
        found = profile_at(timeline, cut_ms)
        accepted = [one.event for one in self._accepted if self._lives(one)]
        healed = [one.event for one in placed if (one.hashed, one.event.time_ms) in self._healed]
        before = folded(sorted([*accepted, *healed]), cut_ms, self.job.bounds.profile)
        after = folded(sorted([*accepted, *[one.event for one in placed]]), cut_ms, self.job.bounds.profile)
        profile = pack_profile(after.at_cut)
        if found is None or pack_profile(found) == profile:
            return Healing(Verdict.IN_PLACE)
        order = self._order(heal_id, cut_ms, found, profile)
        order.late_hashes = b"".join([one.hashed for one in fresh])
        order.late_times_ms = array("q", [one.event.time_ms for one in fresh]).tobytes()
        self._add_sessions(order, before.sessions, after, cut_ms)
        value = order_bytes(order)
        if len(value) > self.job.event_bytes_max:
            return Healing(Verdict.TOO_LARGE, len(fresh))
        return Healing(Verdict.HEAL, len(fresh), value, self._timestamp_ms, cut_ms)

    def _order(self, heal_id: str, cut_ms: int, found: Profile, profile: bytes) -> HealOrder:
        plan = self.job.plan
        return HealOrder(
            heal_id=heal_id,
            user_id=self.user_id,
            cut_time_ms=cut_ms,
            expected=bytes_hash(pack_profile(found)),
            profile=profile,
            layout=plan.layout.id,
            folding=self.job.folding,
            forgotten_through_ms=self.timeline.forgotten_through_ms,
        )

    def _lives(self, one: _Arrived) -> bool:
        """Whether no FORGET has erased an event: none is put in place again that somebody asked to erase."""
        event = one.event
        for erasure in self._erasures:
            if event.known_ms <= erasure.time_ms or (one.at < erasure.at and event.time_ms <= erasure.through_ms):
                return False
        return True

    def _placed(self) -> list[_Arrived]:
        """Return the late events that belong in the profile: the first of each id that no accepted event has."""
        horizon_ms = self.job.bounds.dedupe_horizon_ms
        times_ms: dict[bytes, list[int]] = {}
        for one in self._accepted:
            times_ms.setdefault(one.hashed, []).append(one.event.time_ms)
        placed: list[_Arrived] = []
        for one in self._late:
            known_ms = times_ms.setdefault(one.hashed, [])
            if not any(abs(time_ms - one.event.time_ms) <= horizon_ms for time_ms in known_ms):
                known_ms.append(one.event.time_ms)
                if self._lives(one):
                    placed.append(one)
        return placed

    def _cut_ms(self, fresh: list[_Arrived]) -> int:
        """Return a time in the job's tail, behind all late events, and behind what the tail may have lost by then.

        Later ones are nearer to the newest event, where the tail surely reaches: after each order that was refused.
        """
        timeline, bounds = self.timeline, self.job.bounds
        frontier_ms = max(timeline.committed_through_ms, timeline.newest_ms - bounds.disorder_ms)
        span_ms = timeline.newest_ms - frontier_ms
        ahead_ms = min(span_ms // 2, CUT_AHEAD_MS)
        if self._refused:
            ahead_ms = max(ahead_ms, span_ms - (span_ms >> min(_NEARER_BITS * self._refused, 60)))
        return max([frontier_ms + 1 + ahead_ms, *[one.event.time_ms + 1 for one in fresh]])

    def _add_sessions(self, order: HealOrder, before: list[Session], after: Folded, cut_ms: int) -> None:
        """Add the sessions that end before the cut and have changed, and the parts of the one that goes on there."""
        if not self.job.plan.sessions:
            return
        revision = (self.heals + 1) * REVISIONS_A_HEAL
        known = {(session.start_ms, session.events) for session in before}
        parts: list[Published] = []
        for session in after.sessions:
            if (session.start_ms, session.events) in known or session.start_ms >= cut_ms:
                continue
            contained = [one for one in before if session.start_ms <= one.start_ms <= session.end_ms]
            is_newest = session is after.newest
            begins_alike = [one.start_ms for one in contained] == [session.start_ms]
            if begins_alike if is_newest else session.end_ms >= cut_ms:
                parts += [Published(one.start_ms, one.events, revision) for one in contained]
            else:
                # A current session that has taken in others, or begins earlier, says so now: ids that it had before may
                # have been published.
                superseded = tuple([one.start_ms for one in contained if one.start_ms != session.start_ms])
                closed = ClosedSession(session, is_newest, revision, superseded)
                order.sessions.append(session_message(self.user_id, closed))
        order.published = array("q", [number for part in parts for number in part]).tobytes()
