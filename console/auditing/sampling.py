"""Which users are looked at: always the same ones of the same seed, whoever else there is. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final

from xxhash import xxh3_64_intdigest

_HASHES: Final = 1 << 64


class Sample:
    """Takes the keys of users, some of them again, and chooses those whose hashes are the smallest.

    Args:
        users: how many at most; None: no bound.
        share: of the users, between 0 and 1; None: all.
        seed: another one chooses other users.
    """

    def __init__(self, users: int | None, share: float | None, seed: int) -> None:
        self._users = users
        self._below = _HASHES if share is None else round(share * _HASHES)
        self._seed = seed
        self._heap: list[tuple[int, bytes]] = []  # the largest hash first, as its negative
        self._chosen: set[bytes] = set()

    def take(self, keys: Iterable[bytes]) -> None:
        """Take keys of users."""
        below, seed = self._below, self._seed
        for key in keys:
            hashed = xxh3_64_intdigest(key, seed)
            if hashed < below and key not in self._chosen:
                self._choose(hashed, key)

    def _choose(self, hashed: int, key: bytes) -> None:
        self._chosen.add(key)
        if self._users is None:
            return
        heapq.heappush(self._heap, (-hashed, key))
        if len(self._heap) > self._users:
            _, dropped = heapq.heappop(self._heap)
            self._chosen.discard(dropped)
        if len(self._heap) == self._users:  # what is not below the largest is not chosen any more
            self._below = -self._heap[0][0]

    @property
    def chosen(self) -> frozenset[bytes]:
        """The keys that have been chosen."""
        return frozenset(self._chosen)
