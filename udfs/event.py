"""The event as it is folded: the fields of a decoded and validated `UserEvent` that the fold needs."""

from __future__ import annotations

from typing import Final

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
REFUND: Final = 10


_Fields = tuple[int, str, int, float, str, int, int, tuple[float, ...], tuple[str, ...]]


class Event:
    """One accepted event. Ordered by (time_ms, event_id), the order in which a user's events are folded.

    A plain class, because mypyc reads its attributes directly (udfs/__init__.py).

    Attributes:
        time_ms: when it happened, according to its producer.
        known_ms: when it was known at the latest: the timestamp of its record if the event is dated after that, else
            its own time.
        currency: of an amount of money, as a number of `udfs.money`; 0 for events without one.
        numbers, texts: the declared fields of the event's type that the plan reads, in its order.
    """

    __slots__ = ("category", "currency", "event_id", "known_ms", "numbers", "texts", "time_ms", "type", "value")

    def __init__(  # noqa: PLR0917  (the fields of an event)
        self,
        time_ms: int,
        event_id: str,
        type: int,  # noqa: A002
        value: float,
        category: str,
        known_ms: int = -1,  # negative: the same as time_ms
        currency: int = 0,
        numbers: tuple[float, ...] = (),
        texts: tuple[str, ...] = (),
    ) -> None:
        self.time_ms = time_ms
        self.known_ms = known_ms if known_ms >= 0 else time_ms
        self.event_id = event_id
        self.type = type
        self.value = value
        self.category = category
        self.currency = currency
        self.numbers = numbers
        self.texts = texts

    def __lt__(self, other: Event) -> bool:
        if self.time_ms != other.time_ms:
            return self.time_ms < other.time_ms
        return self.event_id < other.event_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"Event{self._fields()}"

    def __reduce__(self) -> tuple[type[Event], _Fields]:
        return Event, self._fields()  # a compiled class does not pickle by itself, and other frameworks pickle events

    def _fields(self) -> _Fields:
        beginning = self.time_ms, self.event_id, self.type, self.value, self.category
        return *beginning, self.known_ms, self.currency, self.numbers, self.texts


NO_EVENT: Final = Event(0, "", 0, 0.0, "")
