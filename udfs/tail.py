"""The events of a user that an earlier one may still follow, in chunks between snapshots of the profile.

    before_0 [events] before_1 [events] ... before_n [events] -> present

docs/decisions/0033-deep-tail.md says why. Which events are in one chunk depends on the order of arrival; nothing that
is read of a user does.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final

from udfs.event import Event
from udfs.packed_events import pack_event, pack_events, skip_before, unpack_events

_CHUNK_EVENTS: Final = 16  # of a new chunk: so many events are folded again where one is a little out of order
_PARTS: Final = 8  # a chunk may have an eighth of what a tail may: it is dropped as a whole


class Chunk:
    """Events in the order of the fold, and the profile before them.

    Attributes:
        before: the packed profile; empty before the first event.
        events: how many.
        first_ms, last_ms: event times of the first and the last one.
    """

    __slots__ = ("_category", "_last_id", "_opened", "_rows", "_size", "before", "events", "first_ms", "last_ms")

    def __init__(self, before: bytes, rows: bytes = b"", events: int = 0, first_ms: int = 0, last_ms: int = 0) -> None:
        self.before = before
        self.events = events
        self.first_ms = first_ms
        self.last_ms = last_ms
        self._rows = rows
        self._size = len(rows)
        self._opened: list[Event] | None = None
        self._last_id = ""  # where it is not known, the rows are read
        self._category = ""  # likewise: a category is repeated once then

    @property
    def size(self) -> int:
        """Bytes of the events."""
        return self._size

    @property
    def rows(self) -> bytes:
        """The events as bytes."""
        if self._opened is not None:
            self._rows = pack_events(self._opened)
            self._size = len(self._rows)
            self._opened = None
            self._category = ""
        return self._rows

    def read(self) -> list[Event]:
        """Return the events; not to be changed."""
        return self._opened if self._opened is not None else unpack_events(self._rows)

    def is_before(self, event: Event) -> bool:
        """Whether the event comes after all others, in the order of the fold."""
        if event.time_ms != self.last_ms or not self.events:
            return event.time_ms > self.last_ms or not self.events
        if not self._last_id:
            self._last_id = self.read()[-1].event_id
        return event.event_id > self._last_id

    def is_after(self, event: Event) -> bool:
        """Whether the event comes before all others."""
        return event.time_ms < self.first_ms or (event.time_ms == self.first_ms and event < self.read()[0])

    def append(self, event: Event) -> None:
        """Add an event after all others."""
        row = pack_event(event, self._category)
        if self._opened is not None:
            self._opened.append(event)
        else:
            self._rows += row
            self._category = event.category
        self._size += len(row)
        if not self.events:
            self.first_ms = event.time_ms
        self.last_ms = event.time_ms
        self._last_id = event.event_id
        self.events += 1

    def insert(self, event: Event) -> None:
        """Add an event in its place."""
        opened = self._opened
        if opened is None:
            opened = self._opened = unpack_events(self._rows)
        insort(opened, event)
        self._size += len(pack_event(event, ""))
        self.events += 1
        self._set_ends(opened)

    def replace(self, events: list[Event]) -> None:
        """Have these events instead."""
        self._opened = events
        self.events = len(events)
        self._set_ends(events)
        self._size = len(self.rows)

    def join(self, next_chunk: Chunk) -> None:
        """Take the events of the next chunk, whose snapshot is given up."""
        rows = self.rows + next_chunk.rows  # the first row of a chunk refers to none before it
        self._rows = rows
        self._size = len(rows)
        self.events += next_chunk.events
        self.last_ms = next_chunk.last_ms
        self._last_id = next_chunk._last_id
        self._category = next_chunk._category

    def committed_before(self, time_ms: int) -> int:
        """Return how many of the events are older."""
        skipped, _ = skip_before(self.rows, 0, time_ms)
        return skipped

    def _set_ends(self, events: list[Event]) -> None:
        self.first_ms = events[0].time_ms if events else 0
        self.last_ms = events[-1].time_ms if events else 0
        self._last_id = events[-1].event_id if events else ""


class Tail:
    """The chunks of a user; there is always one.

    Args:
        chunks: oldest first.
        events_max, bytes_max: what all of them should have at most.

    Attributes:
        events: in all chunks.
    """

    __slots__ = ("_bytes_max", "_chunk_bytes", "_chunk_events", "_events_max", "_joined_events", "chunks", "events")

    def __init__(self, chunks: list[Chunk], *, events_max: int, bytes_max: int) -> None:
        self.chunks = chunks
        self.events = 0
        for chunk in chunks:
            self.events += chunk.events
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._joined_events = max(1, events_max // _PARTS)
        self._chunk_events = min(_CHUNK_EVENTS, self._joined_events)
        self._chunk_bytes = bytes_max // _PARTS

    def read(self) -> list[Event]:
        """Return all events, in the order of the fold."""
        events: list[Event] = []
        for chunk in self.chunks:
            events += chunk.read()
        return events

    def find(self, time_ms: int, event_id: str) -> Event | None:
        """Return the event with this time and id; None if there is none."""
        for chunk in self.chunks:
            if chunk.events and chunk.first_ms <= time_ms <= chunk.last_ms:
                events = chunk.read()
                at = bisect_left(events, Event(time_ms, event_id, 0, 0.0, ""))
                if at < len(events) and events[at].time_ms == time_ms and events[at].event_id == event_id:
                    return events[at]
        return None

    def is_before(self, event: Event) -> bool:
        """Whether the event comes after all others."""
        return self.chunks[-1].is_before(event)

    def is_full(self) -> bool:
        """Whether the next event in order should begin a chunk."""
        last = self.chunks[-1]
        return last.events >= self._chunk_events or last.size >= self._chunk_bytes

    def begin_chunk(self, before: bytes) -> None:
        """Begin a chunk, and make one of two older ones where three have about the same size."""
        chunks = self.chunks
        chunks.append(Chunk(before))
        at = len(chunks) - 2
        while at >= 2 and self._may_join(at):  # noqa: PLR2004  (three chunks)
            chunks[at - 2].join(chunks.pop(at - 1))
            at -= 2

    def _may_join(self, at: int) -> bool:
        a, b, c = self.chunks[at - 2], self.chunks[at - 1], self.chunks[at]
        step = self._chunk_events
        degree = (a.events // step).bit_length()
        alike = degree == (b.events // step).bit_length() == (c.events // step).bit_length()
        return alike and a.events + b.events <= self._joined_events and a.size + b.size <= self._chunk_bytes

    def begin_anew(self, before: bytes) -> None:
        """Have one empty chunk, after this profile."""
        self.chunks = [Chunk(before)]
        self.events = 0

    def append(self, event: Event) -> None:
        """Add an event after all others."""
        self.chunks[-1].append(event)
        self.events += 1

    def insert(self, event: Event) -> int:
        """Add an event in its place; returns the chunk that has it, from which on snapshots are wrong now."""
        at = len(self.chunks) - 1
        while at and self.chunks[at].is_after(event):
            at -= 1
        self.chunks[at].insert(event)
        self.events += 1
        return at

    def drop_before(self, time_ms: int) -> None:
        """Drop the oldest chunks as long as all their events are older."""
        chunks = self.chunks
        while len(chunks) > 1 and chunks[0].last_ms < time_ms:
            self.drop_oldest()

    def is_over(self) -> bool:
        """Whether there is more than there should be, in chunks that may be dropped."""
        if len(self.chunks) == 1:
            return False
        return self.events > self._events_max or sum([chunk.size for chunk in self.chunks]) > self._bytes_max

    def drop_oldest(self) -> Chunk:
        """Drop the oldest chunk; there must be another."""
        dropped = self.chunks.pop(0)
        self.events -= dropped.events
        return dropped

    def split_long(self, at: int) -> None:
        """Split a chunk that events out of order have made too long; the parts still need snapshots."""
        chunk = self.chunks[at]
        step = self._joined_events
        if chunk.events <= step and chunk.size <= self._chunk_bytes * 2:
            return
        if chunk.events <= step:
            step = max(1, chunk.events // 2)
        events = chunk.read()
        parts: list[Chunk] = []
        for start in range(0, len(events), step):
            part = Chunk(chunk.before)
            part.replace(events[start : start + step])
            parts.append(part)
        self.chunks[at : at + 1] = parts
