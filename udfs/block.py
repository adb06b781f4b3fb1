"""A block of records folded, scored and turned into what leaves the job. Pure: state and time come as arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from driftline.metrics import JobMetric, JobNamed
from driftline.settings import ScoreEventsSettings
from driftline.state.v1.state_pb2 import ShardState
from driftline.words import add_names
from sink_connectors.score_value import encode_value
from udfs.clocks import PartitionClocks
from udfs.decode import Decoder
from udfs.due import Due
from udfs.offsets import advance
from udfs.oversized import travelling
from udfs.published import session_message
from udfs.rejects import HEADER_PREFIX, InvalidEventError, Reason, Reject, late, reject
from udfs.reused_ids import id_reused
from udfs.score_bytes import Scorable
from udfs.scoring import Model, score
from udfs.timelines import Timelines
from udfs.user import ALL_READ_MS, Outcome, Timeline, TimelineBounds

_TOTALS = {
    "accepted": JobMetric.EVENTS_ACCEPTED,
    "duplicate": JobMetric.EVENTS_DUPLICATE,
    "late": JobMetric.EVENTS_LATE,
    "dead_letter": JobMetric.EVENTS_DEAD_LETTER,
}


@dataclass(frozen=True, slots=True)
class Block:
    """Kafka records of one shard, as columns of equal length, in the order they were read from each partition."""

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    partitions: Sequence[int]
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]

    def __len__(self) -> int:
        return len(self.values)

    def split(self, events_max: int, bytes_max: int) -> Iterator[Block]:
        """Yield the block in parts of at most `events_max` records and `bytes_max` bytes of values, or one record."""
        if len(self) <= events_max and sum(map(len, filter(None, self.values))) <= bytes_max:
            yield self
            return
        start = size = 0
        for at, value in enumerate(self.values):
            grown = size + len(value or b"")
            if at > start and (at - start == events_max or grown > bytes_max):
                yield self.part(start, at)
                start, grown = at, len(value or b"")
            size = grown
        yield self.part(start)

    def part(self, start: int, end: int | None = None) -> Block:
        """Return the records from `start` to before `end`, or to the last."""
        part = slice(start, end)
        return Block(
            self.keys[part], self.values[part], self.partitions[part], self.offsets[part], self.timestamps_ms[part]
        )


class PublishedSession(NamedTuple):
    """A closed session on its way to the topic; `value` is a ClosedSession."""

    user_id: str
    session_id: str
    value: bytes


@dataclass(slots=True)
class BlockResult:
    """What a block gives rise to; the adapter writes and emits all of it before it returns."""

    timelines: dict[str, Timeline] = field(default_factory=dict)  # those that changed, to be put back
    scores: dict[str, bytes | None] = field(default_factory=dict)  # UserScores by user; None: the user was forgotten
    stored: list[tuple[str, bytes]] = field(default_factory=list)  # the same behind their versions, for the score store
    sessions: list[PublishedSession] = field(default_factory=list)  # in the order in which they were closed
    dead_letters: list[Reject] = field(default_factory=list)
    late: list[Reject] = field(default_factory=list)
    quiet_checks: dict[int, list[str]] = field(default_factory=dict)  # users to look at, by wall-clock time
    counts: dict[JobMetric, int] = field(default_factory=dict)
    named: dict[JobNamed, dict[str, int]] = field(default_factory=dict)  # counts by name
    taken: int = 0  # records of the block, or users, that were taken: the first ones

    def add(self, user_id: str, generation: int, accepted: int, scores: bytes | None) -> None:
        """Add a user's new scores; None if the user asked to be forgotten."""
        self.scores[user_id] = scores
        self.stored.append((user_id, encode_value(generation, accepted, scores or b"")))

    def count(self, metric: JobMetric, number: int = 1) -> None:
        """Add to a counter."""
        if number:
            self.counts[metric] = self.counts.get(metric, 0) + number

    def account(self, accepted: int, duplicate: int) -> None:
        """Count every record that was taken; those that left are in their lists."""
        late, dead_letter = len(self.late), len(self.dead_letters)
        self.taken = accepted + duplicate + late + dead_letter
        for metric, number in zip(_TOTALS.values(), (accepted, duplicate, late, dead_letter), strict=True):
            self.count(metric, number)

    def count_named(self, metric: JobNamed, name: str, number: int = 1) -> None:
        """Add to a counter by name."""
        names = self.named.setdefault(metric, {})
        names[name] = names.get(name, 0) + number


@dataclass(frozen=True, kw_only=True)
class BlockProcessor:
    """Folds blocks.

    Args:
        topic: the input topic, for the headers of rejected records.
        decoder: decodes and validates its records.
        bounds: of every user's timeline.
        model: returns the model to score with, None while there is none.
        bytes_max: of memory for the timelines of one call; one more may be above it.
    """

    topic: str
    decoder: Decoder
    bounds: TimelineBounds
    model: Callable[[], Model | None]
    bytes_max: int

    @classmethod
    def of(cls, settings: ScoreEventsSettings, model: Callable[[], Model | None]) -> BlockProcessor:
        """Build the processor that a job's settings describe."""
        return cls(
            topic=settings.events_topic,
            decoder=Decoder.of(settings),
            bounds=TimelineBounds.of(settings),
            model=model,
            bytes_max=settings.block_bytes_max,
        )

    def process(
        self, block: Block, shard: ShardState, users: Timelines, now_ms: int, watermark_ms: int = ALL_READ_MS
    ) -> BlockResult:
        """Fold a block into the states of its users, score them, and account for every record that was taken.

        Where the states of its users are large, the rest of the block is left for another call.
        Called once a block, with the shard's state, which it updates in place; `now_ms` is wall-clock time and decides
        nothing about scores. No record of the block or of one to come is older than `watermark_ms`, as far as is known;
        by default the partitions count as one log that is read in its order. The caller puts the result's timelines
        back into `users` before the next call. Replaying a block on the state it was first given makes the same result.
        Poison records become dead letters; any exception is a bug.
        """
        result = BlockResult()
        clocks = PartitionClocks(shard.partition_clocks, watermark_ms)
        timelines = self._fold(block, users, result, now_ms, clocks=clocks)
        self._count_names(shard, result)
        for field_name, metric in _TOTALS.items():
            setattr(shard, field_name, getattr(shard, field_name) + result.counts.get(metric, 0))
        taken = result.taken
        shard.offsets = advance(shard.offsets, block.partitions[:taken], block.offsets[:taken])
        shard.partition_clocks = clocks.pack()
        touched = {user_id: timeline for user_id, timeline in timelines.items() if timeline.touched}
        if touched:
            self._score(touched, shard.generation, result, now_ms)
            for user_id, timeline in touched.items():
                timeline.last_arrival_ms = now_ms
                self._plan_quiet_check(user_id, timeline, result, now_ms)
                self._collect(user_id, timeline, result)
            result.timelines = touched
        return result

    def _count_names(self, shard: ShardState, result: BlockResult) -> None:
        """Count what has names: unknown types, which the shard's state remembers, and reasons of dead letters."""
        unknown_types = self.decoder.unknown_types.take()
        add_names(shard.unknown_types, unknown_types, UNKNOWN_TYPES_MAX)
        for name, number in unknown_types.items():
            result.count(JobMetric.TYPES_UNKNOWN, number)
            result.count_named(JobNamed.UNKNOWN_TYPES, name, number)
        for dead in result.dead_letters:
            result.count_named(JobNamed.DEAD_LETTERS, dead.headers[HEADER_PREFIX + "reason"].decode())

    def check_quiet(self, due: Sequence[Due], users: Timelines, now_ms: int) -> BlockResult:
        """Publish the sessions of those users who sent nothing for the session gap; look at the others again later.

        It takes as many of the users as a call may cost. The caller puts the result's timelines back, without keeping
        them. Users who were active since are moved on without a write: their next event lists them again, and the
        earlier of two listings counts for nothing.
        """
        result = BlockResult()
        events = users.taken_bytes = 0
        for user_id, due_ms in due:
            if result.taken and (events > _CHECK_EVENTS_MAX or users.taken_bytes > self.bytes_max):
                break
            result.taken += 1
            timeline = users.look(user_id) if user_id not in result.timelines else None
            if timeline is None or not 0 < timeline.quiet_check_at_ms <= due_ms:
                continue  # dropped by the state's time to live, looked at already, or listed again
            quiet_at_ms = timeline.last_arrival_ms + self._gap_ms
            if quiet_at_ms > now_ms:
                result.quiet_checks.setdefault(quiet_at_ms, []).append(user_id)
                continue
            events += len(timeline.tail)
            timeline.quiet_check_at_ms = 0
            timeline.close_quiet()
            self._collect(user_id, timeline, result)
            result.timelines[user_id] = timeline
        return result

    @property
    def _gap_ms(self) -> int:
        return self.bounds.profile.session_gap_ms

    def _fold(
        self, block: Block, users: Timelines, result: BlockResult, now_ms: int, *, clocks: PartitionClocks
    ) -> dict[str, Timeline]:
        """Offer every event to its user's timeline; what is not folded goes to the result, with the reason."""
        timelines: dict[str, Timeline] = {}
        accepted = duplicate = users.taken_bytes = 0
        columns = block.keys, block.values, block.timestamps_ms, block.partitions, block.offsets
        for key, value, timestamp_ms, partition, offset in zip(*columns, strict=True):
            read_ms, watermark_ms = clocks.read(partition, timestamp_ms)
            try:
                user_id, event = self.decoder.decode(key, value, timestamp_ms, now_ms)
            except InvalidEventError as error:
                record = travelling(key, value, too_large=error.reason is Reason.TOO_LARGE)
                result.dead_letters.append(reject(record, (self.topic, partition, offset), error, now_ms))
                continue
            timeline = timelines.get(user_id)
            if timeline is None:
                if users.taken_bytes > self.bytes_max:
                    self.decoder.put_back(key, value)
                    break
                timeline = timelines[user_id] = users.get(user_id) or Timeline.begin(self.bounds)
            outcome = timeline.offer(event, read_ms, watermark_ms)
            if outcome is Outcome.ACCEPTED:
                accepted += 1
            elif outcome is Outcome.DUPLICATE:
                duplicate += 1
            else:
                why, rejects = late(timeline.newest_ms - event.time_ms), result.late
                if outcome is Outcome.ID_REUSED:
                    why, rejects = id_reused(event, timeline.seen, timeline.tail), result.dead_letters
                rejects.append(reject((key, value), (self.topic, partition, offset), why, now_ms))
        result.account(accepted, duplicate)
        return timelines

    def _score(self, timelines: dict[str, Timeline], generation: int, result: BlockResult, now_ms: int) -> None:
        known: list[Scorable] = []
        for user_id, timeline in timelines.items():
            profile = timeline.profile()
            if profile.empty:  # the newest event asked to be forgotten
                result.add(user_id, generation, timeline.accepted, None)
            else:
                known.append(Scorable(user_id, profile, timeline.accepted))
        for user, scores in zip(known, score(known, self.model(), generation, now_ms), strict=True):
            result.add(user.user_id, generation, user.accepted, scores)

    def _plan_quiet_check(self, user_id: str, timeline: Timeline, result: BlockResult, active_ms: int) -> None:
        """List the user for one coming look, unless one is already due: one listing a user and gap."""
        if timeline.quiet_check_at_ms > active_ms:
            return
        timeline.quiet_check_at_ms = active_ms + self._gap_ms
        result.quiet_checks.setdefault(timeline.quiet_check_at_ms, []).append(user_id)

    @staticmethod
    def _collect(user_id: str, timeline: Timeline, result: BlockResult) -> None:
        if not timeline.has_news():
            return
        for closed in timeline.closed:
            session = session_message(user_id, closed)
            value = session.SerializeToString(deterministic=True)
            result.sessions.append(PublishedSession(user_id, session.session_id, value))
        result.count(JobMetric.SESSIONS_CLOSED, len(timeline.closed))
        result.count(JobMetric.FORGETS_LATE, timeline.forgets_late)
        overflows = timeline.overflows
        result.count(JobMetric.DEDUPE_IDS_OVERFLOW, overflows.ids)
        result.count(JobMetric.TAIL_OVERFLOW, overflows.tail)
        if overflows.ids or overflows.tail:
            result.count_named(JobNamed.HOT_USERS, user_id, overflows.ids + overflows.tail)
        result.count(JobMetric.CATEGORIES_OVERFLOW, overflows.categories)
        result.count(JobMetric.AMOUNTS_LEFT_OUT, overflows.amounts)


UNKNOWN_TYPES_MAX: Final = 30  # names that a shard's state remembers; each is short
_CHECK_EVENTS_MAX: Final = 2_000  # folded by one look at users who may be quiet
