"""Ids that stand for nobody: what SDKs, exports and shops send where they have none, and what a job refuses.

Folded, a placeholder is one user with the events of thousands, and for an event's id it makes of thousands a handful of
duplicates. So the job refuses events of such users, and such events' ids; a hot id can be put on the same list.
docs/events.md says where each word is from.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from driftline.settings import ScoreEventsSettings
from driftline.settings.job import PLACEHOLDERS, names_in
from driftline.words import NameCounts, most_frequent
from udfs.refused import NONE_REFUSED, Refused

_NO_VALUE = (
    *("null", "nil", "none", "undefined", "nan", "<null>", "(null)", "<nil>", "<na>", "\\n"),
    *("[object object]", "{}", "[]", "true", "false"),
    *("(not set)", "(none)", "n/a", "na", "#n/a", "-"),
    *("00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"),
)
_NOBODY = (
    *("0", "-1", "anonymous", "anon", "guest", "unknown", "not_authenticated"),
    *("id", "user_id", "userid", "distinct_id", "distinctid", "email"),
    *("9774d56d682e549c", "lmy47d", "02:00:00:00:00:00", "000000000000000", "0000000000000000"),
)
# An event may be the user's number 0; those of which every one has the number 0 are told by their reuse.
USER_PLACEHOLDERS: Final = frozenset((*_NO_VALUE, *_NOBODY))
EVENT_PLACEHOLDERS: Final = frozenset((*_NO_VALUE, "event_id", "eventid"))


class RefusedIds(NamedTuple):
    """What a job refuses."""

    users: Refused = NONE_REFUSED
    events: Refused = NONE_REFUSED

    @classmethod
    def of(cls, settings: ScoreEventsSettings) -> RefusedIds:
        """Return what a job's settings name."""
        return cls(
            _expanded(settings.refused_ids, USER_PLACEHOLDERS),
            _expanded(settings.refused_event_ids, EVENT_PLACEHOLDERS),
        )


class RefusedCounts:
    """Events of a file that the job will refuse for their ids, counted by id.

    Args:
        refused: what the job refuses.
    """

    def __init__(self, refused: RefusedIds) -> None:
        self._refused = refused
        self._counts = {"userId": NameCounts(), "eventId": NameCounts()}

    def look(self, user_id: str, event_id: str) -> None:
        """Count an event that is none of FORGET, which the job obeys for any id."""
        if user_id and user_id in self._refused.users:
            self._counts["userId"](user_id)
        elif event_id and event_id in self._refused.events:
            self._counts["eventId"](event_id)

    def warnings(self) -> list[str]:
        """A line for each field that there is something to say of."""
        return [
            f"events that the job refuses for their {field} ({setting}): {counted.total:,} "
            f"({most_frequent(counted.counts)})"
            for (field, counted), setting in zip(
                self._counts.items(), ("refused_ids", "refused_event_ids"), strict=True
            )
            if counted.total
        ]


def _expanded(joined: str, placeholders: frozenset[str]) -> Refused:
    listed = set(names_in(joined))
    return Refused(listed - {PLACEHOLDERS} | placeholders | {""} if PLACEHOLDERS in listed else listed)
