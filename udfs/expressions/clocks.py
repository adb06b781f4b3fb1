"""Times of day and days of the week, in a time zone."""

from __future__ import annotations

import math
from math import nan, pi
from typing import Final

from driftline.units import DAY_MS, HOUR_MS
from udfs.expressions.node import Node, Scope
from udfs.zones import Zone

_WHOLE_MS: Final = 2.0**53  # later times are not whole numbers any more
RADIANS_BY_MS: Final = 2 * pi / DAY_MS
_HOURS: Final = 24.0
_THURSDAY: Final = 3.0  # 1970-01-01, with Monday as 0

_ZONES: Final[dict[str, Zone]] = {}


def zone_named(name: str) -> Zone:
    """Return the zone with this name, the same for all expressions, so that they share what it remembers."""
    if name not in _ZONES:
        _ZONES[name] = Zone(name)
    return _ZONES[name]


def local_ms(zone: Zone, time_ms: float) -> float:
    """Return what the zone's clocks show, as milliseconds since 1970-01-01T00:00 on them.

    A time that is not finite, or too large to be one, stays as it is.
    """
    if not -_WHOLE_MS < time_ms < _WHOLE_MS:
        return time_ms
    return time_ms + float(zone.offset_ms(math.floor(time_ms)))


class DayAngle(Node):
    """The time of day as an angle in radians: 0 at midnight, pi at noon."""

    __slots__ = ("_time", "_zone")

    def __init__(self, time: Node, zone: Zone) -> None:
        self._time = time
        self._zone = zone

    def number(self, scope: Scope) -> float:
        """Return it."""
        return (local_ms(self._zone, self._time.number(scope)) % DAY_MS) * RADIANS_BY_MS


class Hour(Node):
    """The hour of the day, from 0 to 23."""

    __slots__ = ("_time", "_zone")

    def __init__(self, time: Node, zone: Zone) -> None:
        self._time = time
        self._zone = zone

    def number(self, scope: Scope) -> float:
        """Return it."""
        hours = (local_ms(self._zone, self._time.number(scope)) % DAY_MS) / HOUR_MS
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
        return (local_ms(self._zone, self._time.number(scope)) // DAY_MS + _THURSDAY) % 7.0
