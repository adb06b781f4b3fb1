"""Which unit a time was probably given in, where it cannot be right in the unit that is declared. Pure: no clock.

Only for messages: no time is converted by a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from driftline.units import DAY_MS

UNIT_NAMES: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
TIME_MS_LIKELY: Final = (
    946_684_800_000,
    4_102_444_800_000,
)  # 2000-01-01 to 2100-01-01; no number is in it in two units
_UNITS_NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_BEHIND_MS_MAX: Final = 3_652 * DAY_MS  # ten years: how old an event may be that is read as near its record


def likely_times_ms(timestamp_ms: int, bounds_ms: tuple[int, int], ahead_ms_max: int) -> tuple[int, int]:
    """Return from when to when a time is plausible: near its record, or anywhere within the bounds.

    A record's timestamp says nothing where it is outside the bounds itself, as that of a topic without timestamps, and
    that of a producer which stamps its records with the same wrong time.

    Args:
        timestamp_ms: of the record, in milliseconds.
        bounds_ms: the earliest and the latest time of an event.
        ahead_ms_max: how far an event may be ahead of its record.
    """
    low_ms, high_ms = bounds_ms
    if not low_ms <= timestamp_ms <= high_ms:
        return bounds_ms
    return max(low_ms, timestamp_ms - _BEHIND_MS_MAX), min(high_ms, timestamp_ms + ahead_ms_max)


def likely_unit(time_ms: int, declared: str, within_ms: tuple[int, int]) -> tuple[str, int] | None:
    """Return the unit that a time was probably given in, and the time in milliseconds by it; None if there is none.

    Args:
        time_ms: what the time is when it is read in the declared unit, in milliseconds.
        declared: that unit, a key of UNIT_NAMES.
        within_ms: from when to when a time is plausible.
    """
    for unit, unit_ns in _UNITS_NS.items():
        read_ms = time_ms * unit_ns // _UNITS_NS[declared]
        if unit != declared and within_ms[0] <= read_ms <= within_ms[1]:
            return unit, read_ms
    return None


def unit_note(time_ms: int, declared: Sequence[str] | None, within_ms: tuple[int, int]) -> str:
    """Say which unit a refused time looks like, as a clause behind a message; empty if like none.

    The clause has the day, not the time: messages travel in headers, and hold nothing of an event.

    Args:
        time_ms: as it was read, in milliseconds.
        declared: the units of times in a mapping, of which one was used; none where times are texts. None: the time
            was in the contract's words, in milliseconds.
        within_ms: from when to when a time is plausible.
    """
    if declared is None:
        found = likely_unit(time_ms, "ms", within_ms)
        return "" if found is None else f"; it looks like {_named(found)}, and must be in milliseconds"
    looks = [(unit, found) for unit in declared if (found := likely_unit(time_ms, unit, within_ms)) is not None]
    if not looks:
        return ""
    return "; it looks like " + ", or ".join(f"{_named(found)} where time_unit is {unit}" for unit, found in looks)


def unit_of_digits(number: int) -> str | None:
    """Return the unit in which a number is a time from 2000 to 2100; None if in none."""
    return next((unit for unit in UNIT_NAMES if _likely(number * _UNITS_NS[unit] // _UNITS_NS["ms"])), None)


def _likely(time_ms: int) -> bool:
    return TIME_MS_LIKELY[0] <= time_ms <= TIME_MS_LIKELY[1]


def _named(found: tuple[str, int]) -> str:
    unit, time_ms = found
    return f"{UNIT_NAMES[unit]} ({day_of(time_ms)})"


def day_of(time_ms: int) -> str:
    """Return the day of a time in UTC, like 2025-10-09; the time is one of the years 1 to 9999."""
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%d}"
