"""The event as the logic sees it: what is left of a `UserEvent` once it has been decoded and validated."""

from __future__ import annotations

from typing import NamedTuple

from driftline.event.v1.event_pb2 import UserEvent

VIEW = int(UserEvent.VIEW)
CLICK = int(UserEvent.CLICK)
ADD_TO_CART = int(UserEvent.ADD_TO_CART)
PURCHASE = int(UserEvent.PURCHASE)
SEARCH = int(UserEvent.SEARCH)
SURVEY_RESPONSE = int(UserEvent.SURVEY_RESPONSE)
EMAIL_OPEN = int(UserEvent.EMAIL_OPEN)
CUSTOM = int(UserEvent.CUSTOM)
FORGET = int(UserEvent.FORGET)


class Event(NamedTuple):
    """One accepted event. Compares by (time_ms, event_id), the order in which a user's events are folded."""

    time_ms: int
    event_id: str
    type: int
    value: float
    category: str
