"""Reads and writes users' timelines as keyed state, with a cache of recently used ones."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Protocol

from state_schemas.layouts import FIRST, StoredLayouts
from state_schemas.user_state import decode_user, encode_user
from udfs.profile import SLOTS
from udfs.timeline import Timeline, TimelineBounds

# Bytes that a timeline takes in memory besides those of its encoded state; tests/unit/state_schemas/test_users.py
# compares the estimate with what Python allocates.
_TIMELINE_BYTES: Final = 2_300
_CHUNK_BYTES: Final = 200
_CATEGORY_BYTES: Final = 70
_FLOAT_BYTES: Final = 32  # of what is declared, in the present profile
_SERIES_BYTES: Final = 90


class UserStates(Protocol):
    """The part of Flink's MapState that the encoded states of a shard's users are kept with."""

    def get(self, user_id: str) -> bytes | None:
        """Return the user's state, None for a new one."""

    def put_all(self, states: dict[str, bytes]) -> None:
        """Replace the users' states."""


class Timelines:
    """Reads and writes timelines.

    Every `put_all` is written to keyed state at once, so a checkpoint misses nothing. Recently used timelines are also
    cached as objects, because the events of a session come in blocks close to each other, and reading a timeline from
    RocksDB costs as much as folding several events. The cache is only right while all writes go through it: an instance
    belongs to one operator and ends with it.

    Args:
        states: the keyed state, of Flink's current key; no user is in two shards.
        bounds: of the timelines.
        cached_max: how many timelines are cached; the least recently used one is evicted first.
        cached_bytes_max: how much memory they may take together, by `memory_bytes`.
        layouts: of the users' states.

    Attributes:
        taken_bytes: memory of the timelines that were read since the last `put_all`.
    """

    def __init__(
        self,
        states: UserStates,
        bounds: TimelineBounds,
        cached_max: int,
        cached_bytes_max: int,
        layouts: StoredLayouts = FIRST,
    ) -> None:
        self._states = states
        self._layouts = layouts
        self._bounds = bounds
        self._cached_max = cached_max
        self._cached_bytes_max = cached_bytes_max
        self._cached_bytes = 0
        # In order of use. In a dict, finding the first key takes longer with every earlier key that has been deleted.
        self._cached: OrderedDict[str, tuple[Timeline, int]] = OrderedDict()
        self.taken_bytes = 0

    def get(self, user_id: str) -> Timeline | None:
        """Return the user's timeline, None for a user without state. It leaves the cache until `put_all` writes it."""
        cached = self._cached.pop(user_id, None)
        if cached is None:
            return self._read(user_id)
        timeline, size = cached
        self._cached_bytes -= size
        self.taken_bytes += size
        return timeline

    def peek(self, user_id: str) -> Timeline | None:
        """Return the user's timeline, None for a user without state; the cache and its order do not change."""
        cached = self._cached.get(user_id)
        return cached[0] if cached is not None else self._read(user_id)

    def put_all(self, timelines: dict[str, Timeline], *, cache: bool = True) -> None:
        """Write timelines and clear what they gathered for their caller (closed sessions, overflows).

        Without `cache` they are not cached, and so evict no users who are active.
        """
        self.taken_bytes = 0
        if not timelines:
            return
        states = {user_id: encode_user(timeline, self._layouts) for user_id, timeline in timelines.items()}
        self._states.put_all(states)
        for user_id, timeline in timelines.items():
            timeline.clear_gathered()
            before = self._cached.pop(user_id, None)
            if before is not None:
                self._cached_bytes -= before[1]
            if cache:
                size = memory_bytes(timeline, len(states[user_id]))
                self._cached[user_id] = timeline, size
                self._cached_bytes += size
        while len(self._cached) > self._cached_max or self._cached_bytes > self._cached_bytes_max:
            _, (_, size) = self._cached.popitem(last=False)
            self._cached_bytes -= size

    def _read(self, user_id: str) -> Timeline | None:
        state = self._states.get(user_id)
        if state is None:
            return None
        timeline = decode_user(state, self._bounds, self._layouts)
        self.taken_bytes += memory_bytes(timeline, len(state))
        return timeline


def memory_bytes(timeline: Timeline, state_bytes: int) -> int:
    """Estimate the memory that a timeline takes, from the size of its encoded state.

    Strings with characters beyond Latin-1 may take four times as much as estimated.
    """
    profile = timeline.profile()
    entries = series = 0
    floats = len(profile.values) - SLOTS
    for weights in profile.maps:
        entries += len(weights)
    for each in profile.series:
        if each:  # empty ones are shared
            series += 1
            floats += len(each)
    for table in profile.tables:
        series += len(table)
        for row in table.values():
            floats += len(row)
    declared = _SERIES_BYTES * series + _FLOAT_BYTES * floats
    return (
        _TIMELINE_BYTES + state_bytes + _CHUNK_BYTES * len(timeline.tail.chunks) + _CATEGORY_BYTES * entries + declared
    )
