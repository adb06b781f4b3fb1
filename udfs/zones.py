"""Time zones: local times of events, by the IANA database."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from driftline.units import DAY_MS, HOUR_MS

UTC: Final = "UTC"

# datetime knows the years 1 to 9999. Beyond these times, a day within, the offset is that of the nearest one.
_EARLIEST_MS: Final = -62_135_510_400_000
_LATEST_MS: Final = 253_402_214_400_000
_THURSDAY: Final = 3  # 1970-01-01, with Monday as 0


class Zone:
    """A time zone. Remembers the offset of the last hour, so the events of a visit ask the database once.

    Args:
        name: as the IANA database spells it; "UTC" needs no database.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: there is no such zone on this machine.
    """

    __slots__ = ("_hour", "_offset_ms", "_zone")

    def __init__(self, name: str) -> None:
        self._zone: ZoneInfo | None = None if name == UTC else ZoneInfo(name)
        self._hour: int = 0
        self._offset_ms: int = 0 if self._zone is None else _offset_ms(self._zone, 0)
        if self._zone is not None and _offset_ms(self._zone, HOUR_MS - 1) != self._offset_ms:
            self._hour = -1  # the clocks were changed in that hour, so nothing is known about it
            self._offset_ms = _offset_ms(self._zone, -1)

    def offset_ms(self, time_ms: int) -> int:
        """Return what the zone's clocks are ahead of UTC at a time, in milliseconds."""
        zone = self._zone
        if zone is None:
            return 0
        hour = time_ms // HOUR_MS
        if hour == self._hour:
            return self._offset_ms
        first = _offset_ms(zone, hour * HOUR_MS)
        if first != _offset_ms(zone, hour * HOUR_MS + HOUR_MS - 1):
            return _offset_ms(zone, time_ms)  # changed within the hour, as on Lord Howe Island: not remembered
        self._hour = hour
        self._offset_ms = first
        return first

    def day(self, time_ms: int) -> int:
        """Return the number of the local day; 0 is 1970-01-01."""
        return (time_ms + self.offset_ms(time_ms)) // DAY_MS

    def hour_of_day(self, time_ms: int) -> int:
        """Return the local hour, 0 to 23."""
        return (time_ms + self.offset_ms(time_ms)) // HOUR_MS % 24

    def day_of_week(self, time_ms: int) -> int:
        """Return the local day of the week, 0 (Monday) to 6."""
        return (self.day(time_ms) + _THURSDAY) % 7


def _offset_ms(zone: ZoneInfo, time_ms: int) -> int:
    within_ms = min(max(time_ms, _EARLIEST_MS), _LATEST_MS)
    offset = datetime.fromtimestamp(within_ms // 1000, zone).utcoffset()
    return 0 if offset is None else offset.days * DAY_MS + offset.seconds * 1000
