"""Event types and fields that a plan declares: which type a message is of, and its fields as numbers and texts.

A declared type is a CUSTOM message that is named by it, by its `type_word` or else its `name`; the case of the word and
what separates its parts do not matter. A field is taken from one place of the message and converted to its kind. What
is absent, empty, or one of the words that stand for nothing (null, None, undefined) has the field's default, and is
missing where the field is required. No error holds anything of the payload but names that the plan has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC as UTC_ZONE
from typing import Any, Final
from zoneinfo import ZoneInfo

from driftline.event.v1.event_pb2 import UserEvent
from driftline.limits import EVENT_TYPES_MAX, FIELD_BYTES_MAX, FIRST_DECLARED_TYPE, VALUE_MAX
from driftline.times import UNITS_MS
from driftline.words import plain
from udfs.declared_fields import (
    BoolField,
    MoneyField,
    NumberField,
    StringsField,
    TextField,
    TimestampField,
)
from udfs.declared_sources import PROPERTY, Properties, Source, source_of
from udfs.event import CUSTOM, FORGET, PURCHASE, REFUND, Event
from udfs.money import Currencies
from udfs.zones import UTC

_NO_ROLE: Final = -1


class EventType:
    """One type of events, with the fields that are declared for it.

    Args:
        name: as the plan has it; errors name it.
        number: `Event.type` of its events.
        fields: its fields in the plan's order.
        roles: `category` and `value`, each with the name of the field that is it. The item is not folded.

    Raises:
        ValueError: a role names no field of the right kind.
    """

    __slots__ = ("_category", "_numbers", "_texts", "_value", "name", "number")

    def __init__(
        self, name: str, number: int, fields: Sequence[NumberField | TextField], roles: Mapping[str, str]
    ) -> None:
        self.name = name
        self.number = number
        self._numbers: list[NumberField] = [field for field in fields if isinstance(field, NumberField)]
        self._texts: list[TextField] = [field for field in fields if isinstance(field, TextField)]
        self._category = _position(name, "category", roles, [field.name for field in self._texts])
        self._value = _position(name, "value", roles, [field.name for field in self._numbers])

    def fill(self, message: UserEvent, event: Event) -> None:
        """Give the event its type, its fields, and what their roles say. Raises InvalidEventError."""
        event.type = self.number
        if not self._numbers and not self._texts:
            return
        properties: Properties = message.properties
        if self._numbers:
            numbers: list[float] = []
            for number_field in self._numbers:
                numbers.append(number_field.number(message, properties, event))
            event.numbers = tuple(numbers)
            if self._value != _NO_ROLE:
                event.value = numbers[self._value]
        if self._texts:
            texts: list[str] = []
            for text_field in self._texts:
                texts.append(text_field.text(message, properties))
            event.texts = tuple(texts)
            if self._category != _NO_ROLE:
                event.category = texts[self._category]


def _position(event_type: str, role: str, roles: Mapping[str, str], names: list[str]) -> int:
    """Return the position of the field that has a role among the numbers or texts."""
    named = roles.get(role)
    if not named:
        return _NO_ROLE
    if named not in names:
        kind = "text" if role == "category" else "number"
        message = f"{role} of event {event_type} must name one of its {kind} fields, not {named!r}"
        raise ValueError(message)
    return names.index(named)


class EventTypes:
    """The types and fields that a plan declares, by the numbers and by the names of the types."""

    __slots__ = ("_by_number", "_by_plain", "_by_word")

    def __init__(self, types: Sequence[EventType], words: Mapping[str, int]) -> None:
        self._by_number: list[EventType | None] = [None] * (EVENT_TYPES_MAX + 1)
        for event_type in types:
            self._by_number[event_type.number] = event_type
        self._by_word = dict(words)
        self._by_plain: dict[str, int] = {}
        for word, number in words.items():
            if self._by_plain.setdefault(plain(word), number) != number:
                message = f"two event types have the name {word!r}, apart from case and separators"
                raise ValueError(message)

    @classmethod
    def of(cls, plan_events: Sequence[Mapping[str, Any]], currencies: Currencies) -> EventTypes | None:
        """Return the types of a plan; None if it declares neither types nor fields, which costs nothing to decode.

        Args:
            plan_events: the plan's "events".
            currencies: which currencies amounts may be in.

        Raises:
            ValueError: the plan is not one that Driftline compiles.
        """
        types: list[EventType] = []
        words: dict[str, int] = {}
        for event in plan_events:
            event_type = _type_of(event, currencies)
            if event_type.number >= FIRST_DECLARED_TYPE:
                word = str(event.get("custom") or event_type.name)
                if words.setdefault(word, event_type.number) != event_type.number:
                    message = f"two event types have the name {word!r}"
                    raise ValueError(message)
            elif not event.get("fields"):
                continue
            types.append(event_type)
        return cls(types, words) if types else None

    def number_of(self, message: UserEvent) -> int:
        """Return the number of the declared type that a message is of; 0 if it is of none."""
        if message.type != CUSTOM:
            return 0
        # What was given as the type says more than the name, which may be a field of the type.
        return self._number(message.type_word) or self._number(message.name)

    def fill(self, message: UserEvent, event: Event) -> None:
        """Give a valid event its declared type and fields.

        Args:
            message: what the event was made of.
            event: from `validate`; its type, value, category, currency, numbers and texts may be set.

        Raises:
            InvalidEventError: MISSING_FIELD or INVALID_VALUE, naming the field.
        """
        number = event.type
        if number == CUSTOM:
            number = self.number_of(message) or CUSTOM
        event_type = self._by_number[number]
        if event_type is not None:
            event_type.fill(message, event)

    def _number(self, word: str) -> int:
        if not word:
            return 0
        number = self._by_word.get(word, 0)
        return number if number else self._by_plain.get(plain(word), 0)


def _type_of(event: Mapping[str, Any], currencies: Currencies) -> EventType:
    name, number = str(event["name"]), int(event["number"])
    if not 0 < number <= EVENT_TYPES_MAX:
        message = f"event {name} has the number {number}; numbers are from 1 to {EVENT_TYPES_MAX}"
        raise ValueError(message)
    fields = [field_of(name, field, currencies) for field in event.get("fields") or []]
    if number == FORGET and fields:
        message = "FORGET has no fields: an order to erase is never refused for one"
        raise ValueError(message)
    roles = dict(event.get("roles") or {})
    amounts = [field for field in fields if isinstance(field, MoneyField)]
    if len(amounts) > 1:
        message = f"event {name} has {len(amounts)} fields of money; it may have one, in the event's currency"
        raise ValueError(message)
    if number in {PURCHASE, REFUND} and ("value" in roles or any(not amount.from_value for amount in amounts)):
        message = f"the money of {name} is its value: no other field can be it"
        raise ValueError(message)
    return EventType(name, number, fields, roles)


def field_of(event_type: str, field: Mapping[str, Any], currencies: Currencies) -> NumberField | TextField:
    """Return the field that a plan describes.

    Args:
        event_type: the name of its type.
        field: name, kind, from, required and default; for kinds: min and max; unit and zone; currency.
        currencies: which currencies amounts may be in.

    Raises:
        ValueError: the kind, the source or the unit is none.
    """
    name, kind, required = str(field["name"]), str(field["kind"]), bool(field.get("required", False))
    source = source_of(str(field.get("from") or PROPERTY + name))
    default = field.get("default")
    if kind in {"text", "strings"}:
        wanted = f"a text of at most {FIELD_BYTES_MAX} bytes"
        if kind == "text":
            return TextField(event_type, name, source, required, wanted, str(default or ""))
        wanted = f"a JSON list of texts, or texts with commas between them, of at most {FIELD_BYTES_MAX} bytes together"
        return StringsField(event_type, name, source, required, wanted, str(default or ""))
    number = float(default or 0.0)
    if kind == "timestamp":
        return _timestamp_of(event_type, name, source, required, number, field)
    if kind == "bool":
        return BoolField(event_type, name, source, required, "true, false, yes, no, 1 or 0", number)
    if kind not in {"number", "money"}:
        message = f"field {name} of event {event_type} is of no known kind: {kind!r}"
        raise ValueError(message)
    low, high = field.get("min"), field.get("max")
    wanted = _wanted_number("a number" if kind == "number" else "an amount of money", low, high)
    if kind == "money":
        currency = source_of(str(field.get("currency") or "currency"))
        made: NumberField = MoneyField(event_type, name, source, required, wanted, number, currency, currencies)
    else:
        made = NumberField(event_type, name, source, required, wanted, number)
    made.bound(None if low is None else float(low), None if high is None else float(high))
    return made


def _timestamp_of(  # noqa: PLR0917
    event_type: str, name: str, source: Source, required: bool, default: float, field: Mapping[str, Any]
) -> TimestampField:
    unit, zone = str(field.get("unit") or "ms"), str(field.get("zone") or UTC)
    if unit != "iso" and unit not in UNITS_MS:
        message = f"field {name} of event {event_type} is in no known unit: {unit!r}"
        raise ValueError(message)
    return TimestampField(
        event_type, name, source, required, default, unit, UTC_ZONE if zone == UTC else ZoneInfo(zone)
    )


def _wanted_number(what: str, low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return f"{what} within {VALUE_MAX:g} of 0"
    return f"{what} from {-VALUE_MAX if low is None else low:.15g} to {VALUE_MAX if high is None else high:.15g}"
