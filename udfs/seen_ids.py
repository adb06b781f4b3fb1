"""The event ids a user's state remembers, to recognise duplicates by event time."""

from __future__ import annotations

from struct import Struct

_HASH = Struct("<Q")
_TIME = Struct("<q")
_ENTRY = 8  # bytes, of a hash and of a time alike


class SeenIds:
    """Hashes of event ids with their event times, at most `ids_max`, none older than the horizon.

    Time is event time alone, so a replay at any speed forgets the same ids at the same point. The two columns stay the
    bytes that the state holds, ascending by (time, hash): a look-up is one search in C, and neither reading nor writing
    a user's state depends on how many ids it has.
    """

    __slots__ = ("hashes", "horizon_ms", "ids_max", "times_ms")

    def __init__(self, hashes: bytes = b"", times_ms: bytes = b"", *, horizon_ms: int, ids_max: int) -> None:
        self.hashes = hashes
        self.times_ms = times_ms
        self.horizon_ms = horizon_ms
        self.ids_max = ids_max

    def __len__(self) -> int:
        return len(self.hashes) // _ENTRY

    def holds(self, id_hash: int, time_ms: int) -> bool:
        """Whether this id was added with an event time within the horizon of `time_ms`."""
        at = self._find(id_hash)
        return at >= 0 and abs(time_ms - self._time(at)) <= self.horizon_ms

    def add(self, id_hash: int, time_ms: int) -> int:
        """Remember an id; returns how many were dropped for the bound `ids_max` (0 or 1)."""
        at = self._find(id_hash)
        if at >= 0:  # beyond the horizon, so a new event under an old name
            self._cut(at, at + _ENTRY)
        at = len(self.hashes)
        while at and (self._time(at - _ENTRY), self._hash(at - _ENTRY)) > (time_ms, id_hash):  # few are out of order
            at -= _ENTRY
        self.hashes = self.hashes[:at] + _HASH.pack(id_hash) + self.hashes[at:]
        self.times_ms = self.times_ms[:at] + _TIME.pack(time_ms) + self.times_ms[at:]
        if len(self) <= self.ids_max:
            return 0
        self._cut(0, _ENTRY)
        return 1

    def expire(self, newest_ms: int) -> None:
        """Forget the ids that are older than the horizon before `newest_ms`."""
        oldest_ms = newest_ms - self.horizon_ms
        end = 0
        while end < len(self.times_ms) and self._time(end) < oldest_ms:
            end += _ENTRY
        if end:
            self._cut(0, end)

    def _find(self, id_hash: int) -> int:
        """Return the byte position of the hash's entry, -1 where there is none."""
        needle = _HASH.pack(id_hash)
        at = self.hashes.find(needle)
        while at % _ENTRY and at > 0:  # bytes of two neighbours that happen to look like it
            at = self.hashes.find(needle, at + 1)
        return at

    def _time(self, at: int) -> int:
        time_ms: int = _TIME.unpack_from(self.times_ms, at)[0]
        return time_ms

    def _hash(self, at: int) -> int:
        id_hash: int = _HASH.unpack_from(self.hashes, at)[0]
        return id_hash

    def _cut(self, start: int, end: int) -> None:
        self.hashes = self.hashes[:start] + self.hashes[end:]
        self.times_ms = self.times_ms[:start] + self.times_ms[end:]
