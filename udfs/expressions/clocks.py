"""Times of day and days of the week, in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import nan, pi
from typing import Final
from zoneinfo import ZoneInfo

from driftline.units import DAY_MS, HOUR_MS
from udfs.expressions.node import Node, Scope

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
# What datetime can tell, with a few days to spare for the zone: the years 1 to 9999.
_FIRST_MS: Final = -62_135_000_000_000.0
_LAST_MS: Final = 253_402_000_000_000.0
_OFFSETS_MAX: Final = 20_000  # hours that a zone remembers: more than two years
_RADIANS_BY_MS: Final = 2 * pi / DAY_MS
_HOURS: Final = 24.0
_MONDAY: Final = 3.0  # the epoch was a Thursday


class Zone:
    """A time zone, which remembers its offsets by the hour.

    Args:
        name: of the IANA time zone database, or UTC.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: there is no such zone.
    """

    __slots__ = ("_offsets_ms", "_zone")

    def __init__(self, name: str) -> None:
        self._zone: ZoneInfo | None = None if name == "UTC" else ZoneInfo(name)
        self._offsets_ms: dict[int, float] = {}

    def local_ms(self, time_ms: float) -> float:
        """Return what a clock in the zone shows, as milliseconds since 1970-01-01T00:00 on that clock.

        Outside of the years 1 to 9999, and of what is not finite, it is the time itself.
        """
        if self._zone is None or not _FIRST_MS < time_ms < _LAST_MS:
            return time_ms
        hour = int(time_ms // HOUR_MS)
        offset_ms = self._offsets_ms.get(hour, nan)
        if offset_ms != offset_ms:  # noqa: PLR0124  (nan: not known, or changes within the hour)
            offset_ms = self._learn(hour, time_ms)
        return time_ms + offset_ms

    def _learn(self, hour: int, time_ms: float) -> float:
        """Return the offset at a time, and remember it if it holds for the whole hour."""
        begin_ms = self._offset_ms(float(hour * HOUR_MS))
        if begin_ms != self._offset_ms(float((hour + 1) * HOUR_MS - 1)):
            return self._offset_ms(time_ms)  # where an offset is no whole hour, clocks change within one
        if len(self._offsets_ms) >= _OFFSETS_MAX:
            self._offsets_ms.clear()
        self._offsets_ms[hour] = begin_ms
        return begin_ms

    def _offset_ms(self, time_ms: float) -> float:
        offset = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(self._zone).utcoffset()
        return offset / _MILLISECOND if offset is not None else 0.0


_ZONES: Final[dict[str, Zone]] = {}


def zone(name: str) -> Zone:
    """Return the zone with this name, the same for all who ask, so that they share what it remembers."""
    if name not in _ZONES:
        _ZONES[name] = Zone(name)
    return _ZONES[name]


class DayAngle(Node):
    """The time of day as an angle in radians: 0 at midnight, pi at noon."""

    __slots__ = ("_time", "_zone")

    def __init__(self, time: Node, zone: Zone) -> None:
        self._time = time
        self._zone = zone

    def number(self, scope: Scope) -> float:
        """Return it."""
        return (self._zone.local_ms(self._time.number(scope)) % DAY_MS) * _RADIANS_BY_MS


class Hour(Node):
    """The hour of the day, from 0 to 23."""

    __slots__ = ("_time", "_zone")

    def __init__(self, time: Node, zone: Zone) -> None:
        self._time = time
        self._zone = zone

    def number(self, scope: Scope) -> float:
        """Return it."""
        hours = (self._zone.local_ms(self._time.number(scope)) % DAY_MS) / HOUR_MS
        if hours < _HOURS:
            return float(int(hours))
        return 0.0 if hours == _HOURS else nan  # the remainder of a hair less than 0 is rounded to the whole day


class DayOfWeek(Node):
    """The day of the week, from 0 for Monday to 6 for Sunday."""

    __slots__ = ("_time", "_zone")

    def __init__(self, time: Node, zone: Zone) -> None:
        self._time = time
        self._zone = zone

    def number(self, scope: Scope) -> float:
        """Return it."""
        return (self._zone.local_ms(self._time.number(scope)) // DAY_MS + _MONDAY) % 7.0
