"""The event ids that a user's state remembers to recognise duplicates, for a horizon of event time."""

from __future__ import annotations

from struct import Struct
from typing import Final

_TIME: Final = Struct("<q")
_ENTRY: Final = 8  # bytes, of a hash and of a time


class SeenIds:
    """Hashes of event ids with their event times, at most `ids_max`, none older than the horizon.

    All times are event time, so a replay at any speed forgets the same ids at the same point. The two columns are kept
    as the bytes that the state holds, ascending by (time, hash): a look-up is one search in C, and reading or writing a
    user's state takes no longer with more ids.
    """

    __slots__ = ("_newest_ms", "_oldest_ms", "hashes", "horizon_ms", "ids_max", "times_ms")

    def __init__(self, hashes: bytes = b"", times_ms: bytes = b"", *, horizon_ms: int, ids_max: int) -> None:
        self.hashes = hashes
        self.times_ms = times_ms
        self.horizon_ms = horizon_ms
        self.ids_max = ids_max
        self._oldest_ms = self._time(0)
        self._newest_ms = self._time(len(hashes) - _ENTRY)

    def __len__(self) -> int:
        return len(self.hashes) // _ENTRY

    def holds(self, id_hash: bytes, time_ms: int) -> bool:
        """Whether this id was added with an event time within the horizon of `time_ms`."""
        return self._finds(id_hash, time_ms, self.horizon_ms)

    def holds_at(self, id_hash: bytes, time_ms: int) -> bool:
        """Whether this id was added with this very event time."""
        return self._finds(id_hash, time_ms, 0)

    def add(self, id_hash: bytes, time_ms: int) -> int:
        """Remember an id that is not held; returns how many were dropped for `ids_max` (0 or 1).

        Called after `expire`. An entry of the same hash that is beyond the horizon may still be there.
        """
        hashes, times_ms = self.hashes, self.times_ms
        end = at = len(hashes)
        while at and time_ms <= self._newest_ms:  # few events arrive out of order
            before_ms = self._time(at - _ENTRY)
            if before_ms < time_ms or (before_ms == time_ms and hashes[at - _ENTRY : at] < id_hash):
                break
            at -= _ENTRY
        if at == end:
            self.hashes = hashes + id_hash
            self.times_ms = times_ms + _TIME.pack(time_ms)
            self._newest_ms = time_ms
        else:
            self.hashes = hashes[:at] + id_hash + hashes[at:]
            self.times_ms = times_ms[:at] + _TIME.pack(time_ms) + times_ms[at:]
        if not at:
            self._oldest_ms = time_ms
        if end < self.ids_max * _ENTRY:
            return 0
        self._drop(_ENTRY)
        return 1

    def expire(self, newest_ms: int) -> None:
        """Forget the ids that are further behind `newest_ms` than the horizon."""
        if self._oldest_ms >= newest_ms - self.horizon_ms:
            return
        end = 0
        while end < len(self.times_ms) and self._time(end) < newest_ms - self.horizon_ms:
            end += _ENTRY
        self._drop(end)

    def _finds(self, id_hash: bytes, time_ms: int, within_ms: int) -> bool:
        if id_hash not in self.hashes:  # as nearly always, and quicker to see than where it is
            return False
        at = self.hashes.find(id_hash)
        while at >= 0:
            # Otherwise the match crosses the boundary of two hashes, or the id was used at another time.
            if not at % _ENTRY and abs(time_ms - self._time(at)) <= within_ms:
                return True
            at = self.hashes.find(id_hash, at + 1)
        return False

    def _time(self, at: int) -> int:
        return _TIME.unpack_from(self.times_ms, at)[0] if self.times_ms else 0

    def _drop(self, end: int) -> None:
        self.hashes = self.hashes[end:]
        self.times_ms = self.times_ms[end:]
        self._oldest_ms = self._time(0)
