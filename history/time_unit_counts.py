"""Which events of a file the job will refuse because their time is in another unit than it was read in."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.time_units import TIME_MS_LIKELY, unit_note


class TimeUnitCounts:
    """Counts events with a time that cannot be right, but would be in another unit.

    Args:
        declared: the units of times in the mapping; None where there is no mapping.
    """

    def __init__(self, declared: Sequence[str] | None) -> None:
        self._declared = declared
        self._count = 0
        self._first = ""  # what its time looks like

    def look(self, time_ms: int) -> None:
        """Take the time of an event that is none of FORGET, which the job obeys at any time."""
        if TIME_MS_LIKELY[0] <= time_ms <= TIME_MS_LIKELY[1]:
            return
        if note := unit_note(time_ms, self._declared, TIME_MS_LIKELY):
            self._count += 1
            self._first = self._first or note.removeprefix("; it ")

    def warnings(self) -> list[str]:
        """A line, where there is something to say."""
        if not self._count:
            return []
        return [f"events with a time in another unit, which the job refuses: {self._count:,} (the first {self._first})"]
