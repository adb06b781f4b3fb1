"""The timelines of users, from their states and back, with the recently used ones kept decoded."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from state_schemas.user_state import decode_user, encode_user
from udfs.user import Timeline, TimelineBounds


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
    """

    def __init__(self, states: UserStates, bounds: TimelineBounds, kept_max: int) -> None:
        self._states = states
        self._bounds = bounds
        self._kept_max = kept_max
        # In order of use. Not a dict, whose first key takes longer to find with every one that has been deleted.
        self._kept: OrderedDict[str, Timeline] = OrderedDict()

    def get(self, user_id: str) -> Timeline | None:
        """Return the user's timeline, None for a user without state. Not kept until it is put back."""
        timeline = self._kept.pop(user_id, None)
        if timeline is not None:
            return timeline
        state = self._states.get(user_id)
        return decode_user(state, self._bounds) if state is not None else None

    def put_all(self, timelines: dict[str, Timeline]) -> None:
        """Write timelines; what they gathered for their caller (closed sessions, overflows) is cleared."""
        if not timelines:
            return
        self._states.put_all({user_id: encode_user(timeline) for user_id, timeline in timelines.items()})
        for timeline in timelines.values():
            timeline.settle()
        self._kept.update(timelines)
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
