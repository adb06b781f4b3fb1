"""Ids that stand for nobody: what SDKs, exports and shops send where they have none, and what a job refuses.

Folded, a placeholder is one user with the events of thousands, and for an event's id it makes of thousands a handful of
duplicates. So the job refuses events of such users, and such events' ids; a hot id can be put on the same list.
docs/events.md says where each word is from.
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
# An event may be the user's number 0; those of which every one has the number 0 are told by their reuse.
USER_PLACEHOLDERS: Final = frozenset((*_NO_VALUE, *_NOBODY))
EVENT_PLACEHOLDERS: Final = frozenset((*_NO_VALUE, "event_id", "eventid"))

AROUND: Final = " \t\r\n\"'"  # around an id; what is left without them is compared


class Refused:
    """Ids that are refused, in any case and with whatever of AROUND around them.

    Args:
        ids: the ids; the empty one stands for those that hold nothing else.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = frozenset(one.strip(AROUND).lower() for one in ids)
        # Most ids end otherwise, and are told by that: each event asks twice.
        self._ends = AROUND + "".join(sorted({end for one in self._ids for end in (one[-1:], one[-1:].upper())}))

    def __contains__(self, text: str) -> bool:
        """Whether an id that is not empty is refused."""
        return text[-1] in self._ends and text.strip(AROUND).lower() in self._ids


NONE_REFUSED: Final = Refused()


def refused_of(listed: Iterable[str], placeholders: frozenset[str]) -> Refused:
    """Return what a job refuses that names these ids, PLACEHOLDERS standing for all of the given ones."""
    ids = set(listed)
    return Refused(ids - {PLACEHOLDERS} | placeholders | {""} if PLACEHOLDERS in ids else ids)


class RefusedIds:
    """The gate that no event of a refused user, or with a refused id, passes. An order to forget passes for any id."""

    def __init__(self, users: Refused = NONE_REFUSED, events: Refused = NONE_REFUSED) -> None:
        self.users = users
        self.events = events

    def admit(self, user_id: str, event: Event) -> None:
        """Raise InvalidEventError with REFUSED_ID for an event that does not pass."""
        if event.type != FORGET:
            if user_id in self.users:
                raise InvalidEventError(Reason.REFUSED_ID, _REFUSED_USER)
            if event.event_id in self.events:
                raise InvalidEventError(Reason.REFUSED_ID, _REFUSED_EVENT)


_REFUSED_USER: Final = (
    "user_id is one of those in refused_ids, which stand for nobody; only a FORGET is obeyed for them"
)
_REFUSED_EVENT: Final = "event_id is one of those in refused_event_ids, which name no event"
