"""Whom a shard looks at again, and when: pages of users under the time at which they are due.

A page is written once, by the block whose users it holds, and never extended, so what a block writes does not grow with
the users that are waiting. Pages of a time are taken from the newest to the oldest: the number of those that are left,
kept beside them, says where the next one is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Protocol

from driftline.state.v1.state_pb2 import DuePage
from state_schemas import codec
from udfs.results import Due

PAGE_USERS_MAX = 64  # a look at one takes 60 to 190 us, and a call looks at up to two pages
_PAGES_MAX = 1 << 20  # of one time; a key is the time and the page's number behind it


class PageStates(Protocol):
    """Pages by key; Flink's MapState is one, and so is a dictionary but for `put` and `remove`."""

    def get(self, key: int) -> bytes | None:
        """Return a page."""

    def put(self, key: int, page: bytes) -> None:
        """Write a page."""

    def remove(self, key: int) -> None:
        """Remove a page."""


class PageCounts(Protocol):
    """The number of pages by time; Flink's MapState is one."""

    def items(self) -> Iterable[tuple[int, int]]:
        """Return all of the shard's."""

    def put(self, at_ms: int, pages: int) -> None:
        """Write a number."""

    def remove(self, at_ms: int) -> None:
        """Remove a number."""


class DueQueue:
    """The users of one shard that wait to be looked at.

    Every change goes to the states at once. What is kept beside them are the numbers of pages, of at most one time a
    grid step until the last user is due.

    Args:
        pages, counts: where the states are; those of the shard at hand whenever this shard's queue is called.
        grid_ms: users that are due within so long of each other share a time, which is never before they are due.
        offset_ms: of the grid, so that shards do not look at the same moment.
    """

    def __init__(self, pages: PageStates, counts: PageCounts, *, grid_ms: int, offset_ms: int) -> None:
        self._pages = pages
        self._counts = counts
        self._grid_ms = grid_ms
        self._offset_ms = offset_ms
        self._waiting: dict[int, int] = dict(counts.items())

    def add(self, due: Iterable[Due], after_ms: int = 0) -> list[int]:
        """Let users wait until they are due, and past `after_ms`; returns the times that need a timer."""
        by_time: dict[int, list[Due]] = {}
        for one in due:
            by_time.setdefault(self._on_grid(max(one.at_ms, after_ms + 1)), []).append(one)
        new = [at_ms for at_ms in by_time if at_ms not in self._waiting]
        for at_ms, users in by_time.items():
            self.put(at_ms, users)
        return new

    def put(self, at_ms: int, users: Sequence[Due]) -> None:
        """Let users wait until a time that has a timer; for those that were taken from it, or are from elsewhere."""
        for start in range(0, len(users), PAGE_USERS_MAX):
            self._push(at_ms, users[start : start + PAGE_USERS_MAX])

    def take(self, now_ms: int) -> tuple[int, list[Due]]:
        """Take users of the earliest time that has come, at most two pages of them; returns the time, too."""
        at_ms = min(self._waiting, default=now_ms + 1)
        taken: list[Due] = []
        if at_ms <= now_ms:
            while len(taken) < PAGE_USERS_MAX and at_ms in self._waiting:
                taken += self._pop(at_ms)
        return at_ms, taken

    def has_come(self, now_ms: int) -> bool:
        """Whether there are users to take."""
        return min(self._waiting, default=now_ms + 1) <= now_ms

    def _on_grid(self, at_ms: int) -> int:
        steps = -(-(at_ms - self._offset_ms) // self._grid_ms)
        return steps * self._grid_ms + self._offset_ms

    def _push(self, at_ms: int, users: Sequence[Due]) -> None:
        number = self._waiting.get(at_ms, 0)
        page = DuePage(user_ids=[one.user_id for one in users])
        page.due_at_ms = array("q", [one.at_ms for one in users]).tobytes()
        self._pages.put(at_ms * _PAGES_MAX + number, codec.encode(page))
        self._count(at_ms, number + 1)

    def _pop(self, at_ms: int) -> list[Due]:
        number = self._waiting[at_ms] - 1
        key = at_ms * _PAGES_MAX + number
        state = self._pages.get(key)
        self._pages.remove(key)
        self._count(at_ms, number)
        page = codec.decode(state, DuePage) if state is not None else DuePage()
        return [Due(*one) for one in zip(page.user_ids, array("q", page.due_at_ms), strict=True)]

    def _count(self, at_ms: int, pages: int) -> None:
        if pages:
            self._waiting[at_ms] = pages
            self._counts.put(at_ms, pages)
        else:
            del self._waiting[at_ms]
            self._counts.remove(at_ms)
