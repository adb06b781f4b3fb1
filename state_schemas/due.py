"""The due queue of a shard: pages of users to check, stored under the time at which they are due.

A block writes new pages for its users and never extends one, so what it writes does not grow with the number of users
that wait. The pages of a time are numbered and taken from the last to the first; how many are left is stored, too.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Protocol

from driftline.state.v1.state_pb2 import DuePage
from state_schemas import codec
from udfs.results import Due

GRIDS_AHEAD = 360  # how many steps of its grid a time is ahead at most: of 10 s, an hour
PAGE_USERS_MAX = 64  # checking a user takes 60 to 190 us, and a call checks up to two pages
_PAGES_MAX = 1 << 20  # of one time; a page's key is time * _PAGES_MAX + number


class PageStates(Protocol):
    """The part of Flink's MapState that pages by key are kept with."""

    def get(self, key: int) -> bytes | None:
        """Return a page."""

    def put(self, key: int, page: bytes) -> None:
        """Write a page."""

    def remove(self, key: int) -> None:
        """Remove a page."""


class PageCounts(Protocol):
    """The part of Flink's MapState that numbers of pages by time are kept with."""

    def items(self) -> Iterable[tuple[int, int]]:
        """Return all times of the shard with their numbers."""

    def put(self, at_ms: int, pages: int) -> None:
        """Write a number."""

    def remove(self, at_ms: int) -> None:
        """Remove a number."""


class DueQueue:
    """The users of one shard that wait to be checked.

    Every change is written to keyed state at once. In memory are only the numbers of pages, by time. Times are rounded
    up to a grid, so that users share timers. It is `grid_ms` wide up to `fine_ms` ahead, and farther ahead as many
    times wider, a power of two, as keep a time within GRIDS_AHEAD steps. So a time is late by 1/180 of the wait at
    most, and 60 days ahead are some 2,300 times where the grid begins with 10 s. Every step is one of the finer grids,
    too, so that it stays so while times come nearer.

    Args:
        pages, counts: the keyed states; Flink's current key must be this shard whenever the queue is called.
        grid_ms: the width of the finest grid.
        offset_ms: of all grids, so that the timers of shards do not fire at the same moment.
        fine_ms: how far ahead the finest grid goes at least.
    """

    def __init__(self, pages: PageStates, counts: PageCounts, *, grid_ms: int, offset_ms: int, fine_ms: int) -> None:
        self._pages = pages
        self._counts = counts
        self._grid_ms = grid_ms
        self._offset_ms = offset_ms
        self._fine_ms = max(fine_ms, GRIDS_AHEAD * grid_ms)
        self._waiting: dict[int, int] = dict(counts.items())
        self._earliest: list[int] = list(self._waiting)  # a heap; may have times at which nobody waits any more
        heapify(self._earliest)

    def add(self, due: Iterable[Due], now_ms: int) -> list[int]:
        """Queue users until they are due, and past `now_ms`, the time now; returns the times that need a new timer."""
        by_time: dict[int, list[Due]] = {}
        for user in due:
            by_time.setdefault(self._on_grid(max(user.at_ms, now_ms + 1), now_ms), []).append(user)
        new = [at_ms for at_ms in by_time if at_ms not in self._waiting]
        for at_ms, users in by_time.items():
            self.put(at_ms, users)
        return new

    def put(self, at_ms: int, users: Sequence[Due]) -> None:
        """Queue users under a time that already has a timer, like those that were taken and not checked."""
        for start in range(0, len(users), PAGE_USERS_MAX):
            self._push(at_ms, users[start : start + PAGE_USERS_MAX])

    def take(self, now_ms: int) -> tuple[int, list[Due]]:
        """Remove up to two pages of users from the earliest time, if it has come; returns that time and the users."""
        at_ms = self._next_ms(now_ms + 1)
        taken: list[Due] = []
        if at_ms <= now_ms:
            while len(taken) < PAGE_USERS_MAX and at_ms in self._waiting:
                taken += self._pop(at_ms)
        return at_ms, taken

    def behind_ms(self, now_ms: int) -> int:
        """Return how long the users have been due who are taken next; 0 where there are none."""
        return max(0, now_ms - self._next_ms(now_ms))

    def has_due(self, now_ms: int) -> bool:
        """Whether users are due."""
        return self._next_ms(now_ms + 1) <= now_ms

    def _on_grid(self, at_ms: int, now_ms: int) -> int:
        grid_ms, ahead_ms = self._grid_ms, at_ms - now_ms
        if ahead_ms > self._fine_ms:
            while grid_ms * GRIDS_AHEAD < ahead_ms:
                grid_ms *= 2
        behind_ms = (at_ms - self._offset_ms) % grid_ms  # how far after a time of the grid
        return at_ms if behind_ms == 0 else at_ms - behind_ms + grid_ms

    def _next_ms(self, default_ms: int) -> int:
        """Return the earliest time at which somebody waits, or the default."""
        while self._earliest and self._earliest[0] not in self._waiting:
            heappop(self._earliest)
        return self._earliest[0] if self._earliest else default_ms

    def _push(self, at_ms: int, users: Sequence[Due]) -> None:
        number = self._waiting.get(at_ms, 0)
        page = DuePage(user_ids=[user.user_id for user in users])
        page.due_at_ms = array("q", [user.at_ms for user in users]).tobytes()
        self._pages.put(at_ms * _PAGES_MAX + number, codec.encode(page))
        self._count(at_ms, number + 1)

    def _pop(self, at_ms: int) -> list[Due]:
        number = self._waiting[at_ms] - 1
        key = at_ms * _PAGES_MAX + number
        state = self._pages.get(key)
        self._pages.remove(key)
        self._count(at_ms, number)
        page = codec.decode(state, DuePage) if state is not None else DuePage()
        return [Due(*row) for row in zip(page.user_ids, array("q", page.due_at_ms), strict=True)]

    def _count(self, at_ms: int, pages: int) -> None:
        if pages:
            if at_ms not in self._waiting:
                heappush(self._earliest, at_ms)
            self._waiting[at_ms] = pages
            self._counts.put(at_ms, pages)
        else:
            del self._waiting[at_ms]
            self._counts.remove(at_ms)
