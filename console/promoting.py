"""A promotion that takes nothing back: it waits until the new namespace has processed all that the old one has.

Meanwhile the old one is held: its job's next write waits. So what is compared does not move, and the switch is made
before the old one gets ahead again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final, NamedTuple

from console.accounting import Account
from console.progress import replay_extents
from console.replaying.note import Replay
from console.settings import StackSettings
from driftline.errors import InputError
from sink_connectors.hold import NamespaceHold
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import RedisScoreStore
from udfs.shards import shard_keys, shard_of

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

HOLD_S: Final = 10.0
HOLD_S_MAX: Final = 30.0  # half of what a job bears (score_store.HELD_S_MAX)
_RETRY_S = 5.0
_LOOK_S = 0.05
_SAMPLE_S = 2.0  # two blocks of a replay
_SETTLE_S = 0.2  # a write that had begun before the hold goes on in parts of some 5 ms; it then has ended
_POLL_MS = 500


class Gap(NamedTuple):
    """Offsets of a partition that the old namespace has processed, and the new one may not have."""

    partition: int
    begin: int
    end: int


class Promoted(NamedTuple):
    """How a promotion went."""

    held_s: float  # as long the old job waited before the switch


def behind(old: Account, new: Account) -> list[Gap]:
    """Return what the new namespace lacks of what the old one has, by partition.

    Users of a shard of one namespace are in one or several shards of the other. Where both have as many shards, an
    offset of the result was processed by the old one alone; where they do not, only its record's key tells.
    """
    found: dict[int, Gap] = {}
    old_keys, new_keys = shard_keys(old.shards), shard_keys(new.shards)
    for number, part in old.partitions.items():
        other = new.partitions.get(number)
        for at in range(max(old.shards, new.shards)):
            end = part.next_of_shard[old_keys[at % old.shards]]
            begin = 0 if other is None else other.next_of_shard[new_keys[at % new.shards]]
            if begin < end:
                before = found.get(number, Gap(number, begin, end))
                found[number] = Gap(number, min(before.begin, begin), max(before.end, end))
    return list(found.values())


def lacks(old: Account, new: Account, partition: int, records: Sequence[tuple[int, bytes | None]]) -> bool:
    """Whether one of these records, each an offset and a key, was processed by the old namespace alone."""
    before, after = old.partitions[partition], new.partitions.get(partition)
    for offset, key in records:
        if not before.is_processed(shard_of(key, old.shards), offset):
            continue
        if after is None or not after.is_processed(shard_of(key, new.shards), offset):
            return True
    return False


class Comparison:
    """Compares two namespaces, whose jobs read the same topic; close it.

    Raises:
        ServiceUnavailable: Kafka or Redis cannot be reached.
        InputError: there is no such topic.
    """

    def __init__(self, stack: StackSettings, topic: str, old: str, new: str) -> None:
        from console.extents import connect_consumer, partitions_of

        self._topic = topic
        with ExitStack() as opened:
            self._stores = {}
            self._notes = {}
            for name in (old, new):
                store = RedisScoreStore.connect(stack.redis_address, namespace=name, retry_s=_RETRY_S)
                self._stores[name] = opened.enter_context(closing(store))
                notes = ReplayNotes.connect(stack.redis_address, namespace=name, retry_s=_RETRY_S)
                self._notes[name] = opened.enter_context(closing(notes))
            self._consumer: KafkaConsumer = opened.enter_context(closing(connect_consumer(stack)))
            self._partitions: list[TopicPartition] = partitions_of(self._consumer, topic)
            self.close = opened.pop_all().close
        self._old, self._new = old, new

    def behind(self) -> list[Gap]:
        """Return what the new namespace lacks now; the old one is looked at first."""
        old, new = self._account(self._old), self._account(self._new)
        gaps = behind(old, new)
        if old.shards == new.shards:
            return gaps
        return [gap for gap in gaps if self._lacks(old, new, gap)]

    def processed(self) -> int:
        """Return how many events the new namespace has processed."""
        return sum(sum(totals) for totals in self._stores[self._new].read_progress().values())

    def _account(self, name: str) -> Account:
        from console.extents import extents_of

        replay = Replay.decode(self._notes[name].get())
        reports, skipped = self._stores[name].read_reports(), self._stores[name].read_skipped()
        extents = extents_of(self._consumer, self._partitions)
        if replay is not None:
            extents = replay_extents(replay, extents)
        account = Account.of(extents, reports, skipped, {} if replay is None else replay.parts)
        if account is None:
            message = f"how far namespace {name} is cannot be told, for an older release wrote it; --force switches"
            raise InputError(message)
        return account

    def _lacks(self, old: Account, new: Account, gap: Gap) -> bool:
        """Read the records of a gap, and say whether one of them is lacking."""
        from kafka import TopicPartition

        where = TopicPartition(self._topic, gap.partition)
        self._consumer.assign([where])
        self._consumer.seek(where, gap.begin)
        while self._consumer.position(where) < gap.end:
            found = self._consumer.poll(timeout_ms=_POLL_MS).get(where, ())
            records = [(record.offset, record.key) for record in found if record.offset < gap.end]
            if lacks(old, new, gap.partition, records):
                return True
        return False


def promote_in_step(
    stack: StackSettings,
    topic: str,
    names: tuple[str, str],
    *,
    hold_s: float,
    report: Callable[[str], object],
) -> Promoted:
    """Make another namespace live, at a moment that takes no score back.

    Args:
        stack: where the services are.
        topic: that both jobs read.
        names: the live namespace, and the one that is to be so.
        hold_s: how long the old job may be made to wait.
        report: told what is being done.

    Raises:
        InputError: the new namespace does not get there in time; nothing has changed then.
        ServiceUnavailable: Kafka or Redis cannot be reached.
    """
    old, new = names
    with ExitStack() as opened:
        comparison = opened.enter_context(closing(Comparison(stack, topic, old, new)))
        report(f"comparing {new} with {old}")
        _require_near(comparison, old, new, hold_s)
        hold = NamespaceHold.connect(stack.redis_address, namespace=old, retry_s=_RETRY_S)
        opened.enter_context(closing(hold))
        began_s = time.monotonic()
        report(f"{old} is held until {new} has what it has")
        try:
            hold.renew()
            time.sleep(_SETTLE_S)
            while True:
                hold.renew()
                gaps = comparison.behind()
                if not gaps and hold.switch(new):
                    return Promoted(time.monotonic() - began_s)
                if time.monotonic() > began_s + hold_s:
                    raise InputError(_too_far(old, new, gaps, f"after {hold_s:g} s"))
                time.sleep(_LOOK_S)
        except BaseException:
            hold.lift()
            raise


def topic_of(stack: StackSettings, namespace: str) -> str:
    """Return the topic that the job of a namespace reads, as far as it is known."""
    replay = replay_of(stack, namespace)
    return stack.events_topic if replay is None else replay.topic


def replay_of(stack: StackSettings, namespace: str) -> Replay | None:
    """Return the replay that fills or has filled a namespace; None where there was none."""
    with closing(ReplayNotes.connect(stack.redis_address, namespace=namespace, retry_s=_RETRY_S)) as notes:
        return Replay.decode(notes.get())


def _require_near(comparison: Comparison, old: str, new: str, hold_s: float) -> None:
    """Raise InputError where the new namespace is so far behind that holding the old one would be of no use."""
    deadline_s = time.monotonic() + _SAMPLE_S
    before = comparison.processed()
    while gaps := comparison.behind():
        if time.monotonic() > deadline_s:
            gained = comparison.processed() - before
            if _offsets(gaps) > gained * hold_s / _SAMPLE_S:
                raise InputError(_too_far(old, new, gaps, "now"))
            return
        time.sleep(_LOOK_S)


def _offsets(gaps: Sequence[Gap]) -> int:
    return sum(gap.end - gap.begin for gap in gaps)


def _too_far(old: str, new: str, gaps: Sequence[Gap], when: str) -> str:
    shown = ", ".join(f"partition {gap.partition} from {gap.begin:,} to {gap.end:,}" for gap in gaps)
    return (
        f"namespace {new} is behind {old} {when}, by up to {_offsets(gaps):,} offsets ({shown}); nothing is switched: "
        "`driftline drain` waits until it is not, and --force switches at once"
    )
