"""Placeholder ids, which SDKs, exports and shops send instead of an id, and the gate that refuses their events.

A placeholder as user id would be one user with the events of thousands; as event id it would turn thousands of events
into duplicates of a few. So the job refuses both. The id of a hot user can be put on the same list. docs/events.md says
where each placeholder comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from driftline.words import PLACEHOLDERS
from udfs.event import FORGET, Event
from udfs.rejects import InvalidEventError, Reason

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
# Numbers like 0 are no event placeholders: an event may have the number 0. If all have it, ID_REUSED finds them.
USER_PLACEHOLDERS: Final = frozenset((*_NO_VALUE, *_NOBODY))
EVENT_PLACEHOLDERS: Final = frozenset((*_NO_VALUE, "event_id", "eventid"))

AROUND: Final = " \t\r\n\"'"  # stripped from an id before it is compared


class Refused:
    """Ids that are refused, in upper or lower case and with any characters of AROUND around them.

    Args:
        ids: the ids; the empty one refuses ids that consist of AROUND alone.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = frozenset(refused.strip(AROUND).lower() for refused in ids)
        # The last characters of refused ids. Most ids end otherwise, which is quick to see; each event looks up two.
        ends = {refused[-1:] for refused in self._ids}
        self._ends = frozenset(AROUND) | ends | {end.upper() for end in ends}

    def __contains__(self, text: str) -> bool:
        """Whether an id that is not empty is refused."""
        return text[-1] in self._ends and text.strip(AROUND).lower() in self._ids


NONE_REFUSED: Final = Refused()


def refused_of(listed: Iterable[str], placeholders: frozenset[str]) -> Refused:
    """Return the refused ids of a job whose setting lists these; PLACEHOLDERS in it adds all placeholders."""
    ids = set(listed)
    return Refused(ids - {PLACEHOLDERS} | placeholders | {""} if PLACEHOLDERS in ids else ids)


class RefusedIds:
    """The gate that refuses events of refused users and with refused event ids, but no FORGET."""

    def __init__(self, users: Refused = NONE_REFUSED, events: Refused = NONE_REFUSED) -> None:
        self.users = users
        self.events = events

    def admit(self, user_id: str, event: Event) -> None:
        """Raise InvalidEventError, REFUSED_ID, for an event with a refused id."""
        if event.type != FORGET:
            if user_id in self.users:
                raise InvalidEventError(Reason.REFUSED_ID, _REFUSED_USER)
            if event.event_id in self.events:
                raise InvalidEventError(Reason.REFUSED_ID, _REFUSED_EVENT)


_REFUSED_USER: Final = (
    "user_id is one of those in refused_ids, which stand for nobody; only a FORGET is obeyed for them"
)
_REFUSED_EVENT: Final = "event_id is one of those in refused_event_ids, which name no event"
