"""The events of users, in the order in which the job gets them, from files or from a lake."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Iterator
from typing import Final

from history.lake.reading import Lake
from history.lake.sequence import Turn, in_sequence
from history.reading import EventReader
from training.sampling import ALL_USERS, Sampling
from udfs.clocks import PartitionClocks
from udfs.decode import Decoder
from udfs.event import FORGET, Event
from udfs.heal_orders import is_order
from udfs.rejects import InvalidEventError
from udfs.shards import shard_of
from udfs.timeline import Outcome

_EVENTS_A_NOTE: Final = 10_000
_COLUMNS: Final = ("key", "payload", "offset", "record_time_ms")
_KEYS_CACHED: Final = 100_000
Note = Callable[[str], object]


class LeftOut:
    """Events, and moments of silence, that make no example, counted by cause.

    A cause is the reason of a dead letter, LATE, DUPLICATE, FORGET, or in words.

    Attributes:
        counts: by cause.
        first: where and why it was met first, where that is known.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.first: dict[str, str] = {}

    def add(self, cause: str, where: str = "", number: int = 1) -> None:
        """Count events; nothing where there are none."""
        if number:
            self.counts[cause] = self.counts.get(cause, 0) + number
            if where:
                self.first.setdefault(cause, where)

    def __str__(self) -> str:
        """One line, the most frequent first; empty if nothing was left out."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return "; ".join(f"{number:,} {cause}{self._first(cause)}" for cause, number in ranked)

    def _first(self, cause: str) -> str:
        if cause == Outcome.LATE.name:
            return " (in the order of the file; sort it by time where it is a history)"
        return f" (first in {self.first[cause]})" if cause in self.first else ""


class Histories:
    """The events of each user, in the order of arrival, without those that the job would refuse.

    Attributes:
        users: the events by user.
        clocks: by user, two numbers an event: the newest record timestamp of its partition then, and the watermark
            (`Timeline.offer`); none where the events are from files, which are read as one log.
        left_out: what was refused.
        newest_ms: time of the newest event of anybody, of users beyond the sample, too: how far the history is known.
        events: how many events there were, those of users beyond the sample included.
        records: read from a lake.
    """

    def __init__(self) -> None:
        self.users: dict[str, list[Event]] = {}
        self.clocks: dict[str, array[int]] = {}
        self.left_out = LeftOut()
        self.newest_ms = self.events = self.records = 0

    def saw(self, event: Event) -> None:
        """Count an event that the job would take."""
        self.events += 1
        if event.type != FORGET and event.time_ms > self.newest_ms:
            self.newest_ms = event.time_ms


def _no_note(_: str) -> None:
    """Tell nobody."""


def read_files(
    reader: EventReader, decoder: Decoder, now_ms: int, note: Note = _no_note, sampling: Sampling = ALL_USERS
) -> Histories:
    """Read files.

    Args:
        reader: reads them.
        decoder: that of the job that will score.
        now_ms: wall-clock time, which no event may be far ahead of.
        note: called now and then with how far it is.
        sampling: whose share of the users is kept.

    Raises:
        InputError: a file cannot be read, or holds what is no event (named by its place).
    """
    found = Histories()
    left_out = found.left_out
    for message, _ in reader:
        try:
            # As `driftline publish` stamps the record: with the event's time, never with the future.
            event = decoder.event_of(message, min(message.event_time_ms, now_ms), now_ms)
            found.saw(event)
            if sampling.takes(message.user_id):
                found.users.setdefault(message.user_id, []).append(event)
        except InvalidEventError as error:
            left_out.add(error.reason.value, f"{reader.place}: {error}")
        if not reader.good % _EVENTS_A_NOTE:
            note(f"reading the history: {reader.good:,} events")
    left_out.add("that are no events", number=reader.bad)
    left_out.add("without what the mapping asks for", number=reader.left_out)
    return found


def read_lake(
    lake: Lake, decoder: Decoder, now_ms: int, *, shards: int, note: Note = _no_note, sampling: Sampling = ALL_USERS
) -> Histories:
    """Read a lake, in the order in which a replay reads it.

    What is late depends on how far the partitions had been read (decision 25), so that goes with each event. Events
    that a heal order has put in place are late here, as they were when they came: no feature of the time had them.

    Args:
        lake: the records.
        decoder: that of the job that will score.
        now_ms: wall-clock time.
        shards: the job's setting; each shard has clocks of its own.
        note: called now and then with how far it is.
        sampling: whose share of the users is kept.
    """
    found = Histories()
    clocks: dict[int, PartitionClocks] = {}
    shard = functools.lru_cache(_KEYS_CACHED)(functools.partial(shard_of, shards=shards))
    note("looking at what the lake has")
    stretches = lake.stretches()
    total = sum(one.rows for one in stretches)
    for turn in in_sequence(stretches):
        for key, value, offset, timestamp_ms in _records_of(lake, turn):
            found.records += 1
            clock = clocks.setdefault(shard(key), PartitionClocks(b"", 0))
            read_ms, _ = clock.read(turn.stretch.partition, timestamp_ms)
            if is_order(value):
                found.left_out.add("heal orders")
                continue
            try:
                user_id, event = decoder.decode(key, value, timestamp_ms, now_ms)
            except InvalidEventError as error:
                found.left_out.add(error.reason.value, f"partition {turn.stretch.partition}, offset {offset}: {error}")
                continue
            found.saw(event)
            if sampling.takes(user_id):
                found.users.setdefault(user_id, []).append(event)
                found.clocks.setdefault(user_id, array("q")).extend((read_ms, turn.watermark_ms))
        note(f"reading the lake: {found.records:,} of {total:,} records")
    return found


def _records_of(lake: Lake, turn: Turn) -> Iterator[tuple[bytes | None, bytes | None, int, int]]:
    stretch = turn.stretch
    table = lake.read(stretch.partition, stretch.begin, stretch.end, _COLUMNS)
    columns = [table.column(name).to_pylist() for name in _COLUMNS]
    return zip(*columns, strict=True)
