"""Which events of a file the job will refuse for their ids."""

from __future__ import annotations

from driftline.words import NameCounts, most_frequent
from udfs.refused import RefusedIds

_SETTINGS = {"userId": "refused_ids", "eventId": "refused_event_ids"}  # of the job, by the field that it is about


class RefusedCounts:
    """Events of a file that the job will refuse for their ids, counted by id.

    Args:
        refused: what the job refuses.
    """

    def __init__(self, refused: RefusedIds) -> None:
        self._refused = refused
        self._counts = {field: NameCounts() for field in _SETTINGS}

    def look(self, user_id: str, event_id: str) -> None:
        """Count an event that is none of FORGET, which the job obeys for any id."""
        if user_id and user_id in self._refused.users:
            self._counts["userId"](user_id)
        elif event_id and event_id in self._refused.events:
            self._counts["eventId"](event_id)

    def warnings(self) -> list[str]:
        """A line for each field that there is something to say of."""
        return [
            f"events that the job refuses for their {field} ({_SETTINGS[field]}): {counted.total:,} "
            f"({most_frequent(counted.counts)})"
            for field, counted in self._counts.items()
            if counted.total
        ]
