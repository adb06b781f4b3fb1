"""The event as the logic sees it: what is left of a `UserEvent` once it has been decoded and validated."""

from __future__ import annotations

from typing import Final, NamedTuple

# The numbers of driftline.event.v1.UserEvent.Type.
VIEW: Final = 1
CLICK: Final = 2
ADD_TO_CART: Final = 3
PURCHASE: Final = 4
SEARCH: Final = 5
SURVEY_RESPONSE: Final = 6
EMAIL_OPEN: Final = 7
CUSTOM: Final = 8
FORGET: Final = 9


class Event(NamedTuple):
    """One accepted event. Compares by (time_ms, event_id), the order in which a user's events are folded."""

    time_ms: int
    event_id: str
    type: int
    value: float
    category: str
