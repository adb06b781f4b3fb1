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
_HOURS_MAX: Final = 20_000  # that a zone remembers: more than two years
_THURSDAY: Final = 3  # 1970-01-01, with Monday as 0


class Zone:
    """A time zone, which remembers its offsets by the hour: asking the database takes microseconds.

    Args:
        name: as the IANA database spells it; "UTC" needs no database.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: there is no such zone on this machine.
    """

    __slots__ = ("_offsets_ms", "_zone")

    def __init__(self, name: str) -> None:
        self._zone: ZoneInfo | None = None if name == UTC else ZoneInfo(name)
        self._offsets_ms: dict[int, int] = {}

    def offset_ms(self, time_ms: int) -> int:
        """Return what the zone's clocks are ahead of UTC at a time, in milliseconds."""
        zone = self._zone
        if zone is None:
            return 0
        hour = time_ms // HOUR_MS
        known_ms = self._offsets_ms.get(hour)
        return known_ms if known_ms is not None else self._learn(zone, hour, time_ms)

    def _learn(self, zone: ZoneInfo, hour: int, time_ms: int) -> int:
        offset_ms = _offset_ms(zone, hour * HOUR_MS)
        if offset_ms != _offset_ms(zone, hour * HOUR_MS + HOUR_MS - 1):
            return _offset_ms(zone, time_ms)  # changed within the hour, as on Lord Howe Island: not remembered
        if len(self._offsets_ms) >= _HOURS_MAX:
            self._offsets_ms.clear()
        self._offsets_ms[hour] = offset_ms
        return offset_ms

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
