"""Dead letters counted, within a memory that does not grow with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from console.dead_letters.records import DeadLetter, short_key

_OTHERS = "(others)"
_REASONS_MAX = 50  # there are nine; headers of others are bounded all the same
_KEYS_MAX = 10_000
KEYS_SHOWN = 5


@dataclass
class ReasonStatistics:
    """How often a reason was given, when for the first and the last time, and its last message."""

    count: int
    first_ms: int
    last_ms: int
    message: str


class FrequentKeys:
    """The keys that come most often (Misra and Gries): each count is at most `missed` too low.

    Any key that comes more often than a part of `keys_max` of all is among them.
    """

    def __init__(self, keys_max: int = _KEYS_MAX) -> None:
        self.missed = 0
        self._keys_max = keys_max
        self._counts: dict[bytes, int] = {}

    def add(self, key: bytes) -> None:
        """Count a key."""
        if key in self._counts or len(self._counts) < self._keys_max:
            self._counts[key] = self._counts.get(key, 0) + 1
            return
        self.missed += 1
        self._counts = {known: count - 1 for known, count in self._counts.items() if count > 1}

    def top(self, number: int) -> list[tuple[bytes, int]]:
        """Return the most frequent keys with their counts; those that come once are not frequent."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [(key, count) for key, count in ranked[:number] if count > 1]


class Statistics:
    """What `driftline dead-letters stats` shows."""

    def __init__(self) -> None:
        self.total = 0
        self.reasons: dict[str, ReasonStatistics] = {}
        self.keys = FrequentKeys()

    def add(self, letter: DeadLetter) -> None:
        """Count a dead letter."""
        self.total += 1
        if letter.key is not None:
            self.keys.add(letter.key)
        failed_ms, reason = letter.failed_at_ms, letter.reason or "(none)"
        if reason not in self.reasons and len(self.reasons) >= _REASONS_MAX:
            reason = _OTHERS
        known = self.reasons.get(reason)
        if known is None:
            self.reasons[reason] = ReasonStatistics(1, failed_ms, failed_ms, letter.message)
            return
        known.count += 1
        known.first_ms = min(known.first_ms, failed_ms)
        if failed_ms >= known.last_ms:
            known.last_ms, known.message = failed_ms, letter.message

    @property
    def ranked(self) -> list[tuple[str, ReasonStatistics]]:
        """The reasons, the most frequent first."""
        return sorted(self.reasons.items(), key=lambda item: (-item[1].count, item[0]))

    def as_document(self) -> dict[str, Any]:
        """Return all of it as values of JSON."""
        return {
            "total": self.total,
            "reasons": [{"reason": reason, **asdict(one)} for reason, one in self.ranked],
            "keys": [{"key": short_key(key), "count": count} for key, count in self.keys.top(KEYS_SHOWN)],
            "key_counts_missed_max": self.keys.missed,
        }
