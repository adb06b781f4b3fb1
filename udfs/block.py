"""Folds a block of records and runs the stages over its users. Pure: state and time come as arguments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from driftline.event.v1.heal_pb2 import HealOrder
from driftline.metrics import JobMetric, JobNamed
from driftline.state.v1.state_pb2 import ShardState
from driftline.words import add_names
from udfs.clocks import PartitionClocks
from udfs.decode import Decoder
from udfs.event import NO_EVENT, Event
from udfs.heal import carry_out
from udfs.heal_orders import is_order, read_order
from udfs.offsets import advance
from udfs.oversized import kept_bytes
from udfs.pipeline import Batch, Stage
from udfs.rejects import HEADER_PREFIX, InvalidEventError, Reason, late, reject
from udfs.results import BlockResult, Due
from udfs.reused_ids import id_reused
from udfs.timeline import ALL_READ_MS, Outcome, Timeline, TimelineBounds

UNKNOWN_TYPES_MAX: Final = 30  # names that a shard's state remembers; each is short

# A record's key and value, its topic, partition and offset, and the wall-clock time at which it is processed.
_Record = tuple[bytes | None, bytes | None, tuple[str, int, int], int]


@dataclass(frozen=True, slots=True)
class Block:
    """Kafka records of one shard, as columns of equal length; each partition's are in the order of their offsets."""

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    partitions: Sequence[int]
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]

    def __len__(self) -> int:
        return len(self.values)

    def split(self, events_max: int, bytes_max: int) -> Iterator[Block]:
        """Yield parts of at most `events_max` records and `bytes_max` bytes of values; a larger record comes alone."""
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
        """Return the records from `start` up to but not including `end`; by default up to the last."""
        part = slice(start, end)
        return Block(
            self.keys[part], self.values[part], self.partitions[part], self.offsets[part], self.timestamps_ms[part]
        )


class Users(Protocol):
    """The timelines of a shard's users; state_schemas.users.Timelines is one.

    Attributes:
        taken_bytes: memory of the timelines that were read since the last write.
    """

    taken_bytes: int

    def get(self, user_id: str) -> Timeline | None:
        """Return the user's timeline, None for a user without state."""

    def peek(self, user_id: str) -> Timeline | None:
        """Return the user's timeline, and do not count that as a use."""


@dataclass(frozen=True, kw_only=True)
class BlockProcessor:
    """Folds blocks and passes the users they touched to the stages.

    Args:
        topic: the input topic, for the headers of rejected records.
        decoder: decodes and validates its records, and passes their events through the gates.
        bounds: of every user's timeline.
        stages: what runs after the timelines, in this order.
        bytes_max: memory that the timelines of one call may take; the last one read may exceed it.
        aged_max: users whom one call of `check_due` scores at an age, which takes longer than a quiet check.
        folding: names the declarations and the settings that profiles depend on; heal orders must name the same.
        only_keys: the keys of the records that are offered to timelines; None: all are. Others are left out, but
            count as read: for the clocks, by which events are late, and for the offsets.
    """

    topic: str
    decoder: Decoder
    bounds: TimelineBounds
    stages: Sequence[Stage]
    bytes_max: int
    aged_max: int
    folding: str
    only_keys: frozenset[bytes] | None = None

    def process(
        self, block: Block, shard: ShardState, users: Users, now_ms: int, watermark_ms: int = ALL_READ_MS
    ) -> BlockResult:
        """Fold a block into the timelines of its users, run the stages, and count every record that was taken.

        If the timelines take more than `bytes_max`, the rest of the block is left for another call: `taken` says how
        many records were processed. The caller writes the result's timelines to `users` before the next call. The same
        block on the same state gives the same result. Poison records become dead letters; any exception is a bug.

        Args:
            block: the records.
            shard: the shard's state; updated in place.
            users: the timelines of the shard's users.
            now_ms: wall-clock time; it has no influence on scores.
            watermark_ms: no record of this block or a later one is older, as far as is known. By default all partitions
                count as one log that is read in order.
        """
        result = BlockResult()
        clocks = PartitionClocks(shard.partition_clocks, watermark_ms)
        timelines = self._fold(block, users, result, now_ms, clocks=clocks)
        self._count_names(shard, result)
        _add_totals(shard, result)
        taken = result.taken
        shard.offsets = advance(shard.offsets, block.partitions[:taken], block.offsets[:taken])
        shard.partition_clocks = clocks.pack()
        touched = {user_id: timeline for user_id, timeline in timelines.items() if timeline.touched}
        if touched:
            batch = Batch(touched, shard.generation, now_ms, result)
            for stage in self.stages:
                stage.run(batch)
            result.timelines = touched
        return result

    def check_due(self, due: Sequence[Due], shard: ShardState, users: Users, now_ms: int) -> BlockResult:
        """Let the stages check the users who are due, up to the bounds of one call.

        The caller writes the result's timelines without caching them, and keeps those beyond `taken` in the queue.
        """
        result = BlockResult()
        batch = Batch(result.timelines, shard.generation, now_ms, result)
        users.taken_bytes = 0
        for user_id, due_ms in due:
            full = len(batch.aged) >= self.aged_max or users.taken_bytes > self.bytes_max
            if result.taken and full:
                break
            result.taken += 1
            timeline = users.peek(user_id) if user_id not in result.timelines else None
            if timeline is None:
                continue  # removed by the state's time to live, or checked already
            for stage in self.stages:
                if stage.check(user_id, timeline, due_ms, batch):
                    result.timelines[user_id] = timeline
        for stage in self.stages:
            stage.checked(batch)
        for timeline in batch.aged.values():
            timeline.aged = None
        return result

    def _count_names(self, shard: ShardState, result: BlockResult) -> None:
        """Count unknown event types, which the shard's state remembers, too, and dead letters by reason."""
        unknown_types = self.decoder.unknown_types.take()
        add_names(shard.unknown_types, unknown_types, UNKNOWN_TYPES_MAX)
        for name, number in unknown_types.items():
            result.count(JobMetric.TYPES_UNKNOWN, number)
            result.count_named(JobNamed.UNKNOWN_TYPES, name, number)
        for dead in result.dead_letters:
            result.count_named(JobNamed.DEAD_LETTERS, dead.headers[HEADER_PREFIX + "reason"].decode())

    def _fold(
        self, block: Block, users: Users, result: BlockResult, now_ms: int, *, clocks: PartitionClocks
    ) -> dict[str, Timeline]:
        """Offer every event to its user's timeline; a record that is rejected goes to the result, with the reason."""
        timelines: dict[str, Timeline] = {}
        accepted = duplicate = left_out = users.taken_bytes = 0
        only_keys = self.only_keys
        columns = block.keys, block.values, block.timestamps_ms, block.partitions, block.offsets
        for key, value, timestamp_ms, partition, offset in zip(*columns, strict=True):
            read_ms, watermark_ms = clocks.read(partition, timestamp_ms)
            if only_keys is not None and (key is None or key not in only_keys):
                left_out += 1
                continue
            order: HealOrder | None = None
            try:
                if is_order(value):
                    order = read_order(key, value, self.decoder.event_bytes_max)
                    user_id, event = order.user_id, NO_EVENT
                else:
                    user_id, event = self.decoder.decode(key, value, timestamp_ms, now_ms)
            except InvalidEventError as error:
                record = kept_bytes(key, value, too_large=error.reason is Reason.TOO_LARGE)
                result.dead_letters.append(reject(record, (self.topic, partition, offset), error, now_ms))
                continue
            timeline = timelines.get(user_id)
            if timeline is None:
                if users.taken_bytes > self.bytes_max:
                    self.decoder.uncount(key, value)  # it is decoded again by the next call
                    break
                timeline = timelines[user_id] = users.get(user_id) or Timeline.begin(self.bounds)
            if order is None:
                outcome = timeline.offer(event, read_ms, watermark_ms)
            else:
                source = (self.topic, partition, offset)
                outcome = self._heal(order, timeline, result, (key, value, source, now_ms))
            if outcome is Outcome.ACCEPTED:
                accepted += 1
            elif outcome is Outcome.DUPLICATE:
                duplicate += 1
            elif outcome is not Outcome.HEAL_REFUSED:
                source = (self.topic, partition, offset)
                _turn_away(event, outcome, timeline, result, (key, value, source, now_ms))
        result.account(accepted, duplicate, left_out)
        return timelines

    def _heal(
        self,
        order: HealOrder,
        timeline: Timeline,
        result: BlockResult,
        record: _Record,
    ) -> Outcome:
        """Carry out a heal order; one that is refused becomes a dead letter.

        Args:
            order: of the user.
            timeline: of the user.
            result: of the block.
            record: that it was read from.
        """
        key, value, source, now_ms = record
        try:
            outcome = carry_out(order, timeline, self.folding)
        except InvalidEventError as error:
            result.count(JobMetric.HEALS_REFUSED)
            result.dead_letters.append(reject((key, value), source, error, now_ms))
            return Outcome.HEAL_REFUSED
        result.count(JobMetric.HEALS_APPLIED, int(outcome is Outcome.ACCEPTED))
        return outcome


def _turn_away(event: Event, outcome: Outcome, timeline: Timeline, result: BlockResult, record: _Record) -> None:
    """Add the record of an event that its timeline did not take to the result, with the reason."""
    key, value, source, now_ms = record
    why, rejects = late(timeline.newest_ms - event.time_ms), result.late
    if outcome is Outcome.ID_REUSED:
        why, rejects = id_reused(timeline.differing(event)), result.dead_letters
    rejects.append(reject((key, value), source, why, now_ms))


def _add_totals(shard: ShardState, result: BlockResult) -> None:
    """Add the block's counts of records by outcome to the shard's totals."""
    counts = result.counts
    shard.accepted += counts.get(JobMetric.EVENTS_ACCEPTED, 0)
    shard.duplicate += counts.get(JobMetric.EVENTS_DUPLICATE, 0)
    shard.late += counts.get(JobMetric.EVENTS_LATE, 0)
    shard.dead_letter += counts.get(JobMetric.EVENTS_DEAD_LETTER, 0)
