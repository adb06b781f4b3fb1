"""What expressions read: features, slots of the profile, fields of the event, and scores."""

from __future__ import annotations

from math import nan
from typing import Final

from udfs import profile as p
from udfs.expressions.node import Node, Scope

AS_OF: Final = "last_ms"  # named like a slot, from when everything was as of the newest event; plans and hashes have it
SLOTS: Final[dict[str, int]] = {
    "events": p.EVENTS,
    "first_ms": p.FIRST_MS,
    "newest_ms": p.LAST_MS,
    "sessions": p.SESSIONS,
    "session_start_ms": p.SESSION_START_MS,
    "session_events": p.SESSION_EVENTS,
    "previous_session_end_ms": p.PREVIOUS_SESSION_END_MS,
    "ended_sessions_ms": p.ENDED_SESSIONS_MS,
    "ended_sessions_events": p.ENDED_SESSIONS_EVENTS,
}


class FeatureRef(Node):
    """The value of a number feature, which has been computed before."""

    __slots__ = ("_position",)

    def __init__(self, position: int) -> None:
        self._position = position

    def number(self, scope: Scope) -> float:
        """Return the value at the position."""
        return scope.features[self._position]


class Slot(Node):
    """A slot of the profile."""

    __slots__ = ("slot",)

    def __init__(self, slot: int) -> None:
        self.slot = slot

    def number(self, scope: Scope) -> float:
        """Return the slot's value."""
        return scope.values[self.slot]


class AsOf(Node):
    """The time that everything is evaluated at, in milliseconds since the epoch."""

    __slots__ = ()

    def number(self, scope: Scope) -> float:
        """Return it."""
        return scope.as_of_ms


class Score(Node):
    """A score, by name; not a number while there is none, so that no comparison but != is true."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def number(self, scope: Scope) -> float:
        """Return the score's value."""
        return scope.scores.get(self._name, nan)


class EventValue(Node):
    """The event's value."""

    __slots__ = ()

    def number(self, scope: Scope) -> float:
        """Return it."""
        return scope.event.value


class EventTime(Node):
    """When the event happened, in milliseconds since the epoch."""

    __slots__ = ()

    def number(self, scope: Scope) -> float:
        """Return it."""
        return float(scope.event.time_ms)


class EventCategory(Node):
    """The event's category."""

    __slots__ = ()

    def text(self, scope: Scope) -> str:
        """Return it."""
        return scope.event.category


class NumberField(Node):
    """A declared field of the event; 0 in an event that was decoded before the field was declared."""

    __slots__ = ("_position",)

    def __init__(self, position: int) -> None:
        self._position = position

    def number(self, scope: Scope) -> float:
        """Return the field's value."""
        numbers = scope.event.numbers
        return numbers[self._position] if self._position < len(numbers) else 0.0


class TextField(Node):
    """A declared field of the event; empty in an event that was decoded before the field was declared."""

    __slots__ = ("_position",)

    def __init__(self, position: int) -> None:
        self._position = position

    def text(self, scope: Scope) -> str:
        """Return the field's value."""
        texts = scope.event.texts
        return texts[self._position] if self._position < len(texts) else ""
