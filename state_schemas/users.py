"""The timelines of users, from their states and back, with the recently used ones kept decoded."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Protocol

from state_schemas.user_state import decode_user, encode_user
from udfs.timeline import Timeline, TimelineBounds

# Bytes that a decoded timeline takes beside those of its encoded state; tests/unit/state_schemas/test_users.py compares
# the sum with what Python allocates.
_TIMELINE_BYTES: Final = 1_800
_TAIL_EVENT_BYTES: Final = 260
_CATEGORY_BYTES: Final = 70


class UserStates(Protocol):
    """The encoded states of a shard's users; Flink's MapState is one."""

    def get(self, user_id: str) -> bytes | None:
        """Return the user's state, None for a new one."""

    def put_all(self, states: dict[str, bytes]) -> None:
        """Replace the users' states."""


class Timelines:
    """Reads and writes timelines.

    Every `put_all` goes to the states at once, so a checkpoint misses nothing. Recently used timelines are also kept as
    objects, because the events of a session come in blocks close to each other, and reading one back from RocksDB costs
    as much as folding several events. What is kept is only right while all writes pass here: one instance belongs to
    one operator, whose failure ends both.

    Args:
        states: where the states are; in Flink those of the shard at hand, and no user is in two shards.
        bounds: of the timelines.
        kept_max: how many users are kept; the longest unused one leaves first.
        kept_bytes_max: how much memory they take together, by `memory_bytes`.

    Attributes:
        taken_bytes: memory of the timelines that were read since the last `put_all`.
    """

    def __init__(self, states: UserStates, bounds: TimelineBounds, kept_max: int, kept_bytes_max: int) -> None:
        self._states = states
        self._bounds = bounds
        self._kept_max = kept_max
        self._kept_bytes_max = kept_bytes_max
        self._kept_bytes = 0
        # In order of use. Not a dict, whose first key takes longer to find with every one that has been deleted.
        self._kept: OrderedDict[str, tuple[Timeline, int]] = OrderedDict()
        self.taken_bytes = 0

    def get(self, user_id: str) -> Timeline | None:
        """Return the user's timeline, None for a user without state. Not kept until it is put back."""
        kept = self._kept.pop(user_id, None)
        if kept is None:
            return self._read(user_id)
        self._kept_bytes -= kept[1]
        self.taken_bytes += kept[1]
        return kept[0]

    def look(self, user_id: str) -> Timeline | None:
        """Return the user's timeline without using it: one that is kept stays, and in its place."""
        kept = self._kept.get(user_id)
        return kept[0] if kept is not None else self._read(user_id)

    def put_all(self, timelines: dict[str, Timeline], *, keep: bool = True) -> None:
        """Write timelines; what they gathered for their caller (closed sessions, overflows) is cleared.

        Without `keep` they are not kept, and leave those that are in use alone.
        """
        self.taken_bytes = 0
        if not timelines:
            return
        states = {user_id: encode_user(timeline) for user_id, timeline in timelines.items()}
        self._states.put_all(states)
        for user_id, timeline in timelines.items():
            timeline.settle()
            before = self._kept.pop(user_id, None)
            if before is not None:
                self._kept_bytes -= before[1]
            if keep:
                size = memory_bytes(timeline, len(states[user_id]))
                self._kept[user_id] = timeline, size
                self._kept_bytes += size
        while len(self._kept) > self._kept_max or self._kept_bytes > self._kept_bytes_max:
            self._kept_bytes -= self._kept.popitem(last=False)[1][1]

    def _read(self, user_id: str) -> Timeline | None:
        state = self._states.get(user_id)
        if state is None:
            return None
        timeline = decode_user(state, self._bounds)
        self.taken_bytes += memory_bytes(timeline, len(state))
        return timeline


def memory_bytes(timeline: Timeline, state_bytes: int) -> int:
    """Estimate what a timeline takes decoded, from the size of its encoded state.

    Texts beyond Latin-1 take up to four times their share of the state.
    """
    parts = _TAIL_EVENT_BYTES * len(timeline.tail) + _CATEGORY_BYTES * len(timeline.committed.categories)
    return _TIMELINE_BYTES + state_bytes + parts
