"""What a message is to a project, read by hand from the declarations, by other means than the decoder's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from driftline.event.v1.event_pb2 import UserEvent
from driftline.limits import TIME_MS_MAX
from udfs.event import Event

CURRENCIES = {"EUR", "JPY"}  # of those that tests give
NO_AMOUNT, NO_CURRENCY, NO_CODE = "no amount", "", "no code"
Value = float | str | bool


@dataclass(frozen=True)
class Happened:
    """An event.

    Attributes:
        event: its time and its id.
        type: its name in the declarations; CUSTOM where it is of none of them.
        own: whether it is one of the project's own types.
        named: what its names mean in expressions.
        currency: of its amount: a code, NO_CURRENCY, NO_CODE, or NO_AMOUNT where its type has none.
    """

    event: Event
    type: str
    own: bool
    named: dict[str, Value]
    currency: str

    @property
    def time_ms(self) -> int:
        """When it happened."""
        return self.event.time_ms


class RefusedError(Exception):
    """The message is none that the project takes."""


def happened(message: UserEvent, events: dict[str, Any]) -> Happened:
    """The event of a message. Raises RefusedError."""
    kind, value = UserEvent.Type.Name(message.type), message.value
    if kind == "PURCHASE" and value < 0:
        kind = "REFUND"
    currency = NO_AMOUNT
    if kind in {"PURCHASE", "REFUND"}:
        value, currency = abs(value), _code(message.currency)
    own = ""
    if kind == "CUSTOM":
        own = _own(message, events)
    declared = events.get(own or kind, {})
    named: dict[str, Value] = {"value": value, "category": message.category, "time": float(message.event_time_ms)}
    fields: dict[str, Value] = {}
    for name, field in declared.get("fields", {}).items():
        text = _text(message, field.get("from", f"properties.{name}"))
        given = field.get("from") == "value" and message.HasField("value")
        fields[name] = _field(field, text)
        if field["type"] == "money":
            coin = _text(message, field.get("currency", "currency"))
            currency = _code(coin) if given or not _nothing(text) else NO_CURRENCY
    named |= fields
    for role in ("category", "value"):
        if role in declared:
            named[role] = fields[declared[role]]
    event = Event(message.event_time_ms, message.event_id, int(message.type), 0.0, "")
    return Happened(event, own or kind, bool(own), named, currency)


def _own(message: UserEvent, events: dict[str, Any]) -> str:
    words = {
        "".join(filter(str.isalnum, declared.get("name", name))).lower(): name for name, declared in events.items()
    }
    for given in (message.type_word, message.name):
        found = words.get("".join(filter(str.isalnum, given)).lower(), "")
        if found and found.islower():  # else it is built in
            return found
    return ""


def _text(message: UserEvent, source: str) -> str:
    if source.startswith("properties."):
        return dict(message.properties).get(source.removeprefix("properties."), "")
    if source == "channel":
        return UserEvent.Channel.Name(message.channel) if message.channel else ""
    if source == "value":
        return repr(message.value) if message.HasField("value") else ""
    return {"item_id": message.item_id, "category": message.category, "currency": message.currency}[source]


def _nothing(text: str) -> bool:
    return text.strip().lower() in {"", "null", "none", "undefined"}


def _code(currency: str) -> str:
    code = currency.strip().upper()
    return (code if code in CURRENCIES else NO_CODE) if currency else NO_CURRENCY


def _field(field: dict[str, Any], text: str) -> Value:
    kind = field["type"]
    default = field.get("default", {"string": "", "strings": "", "bool": False}.get(kind, 0.0))
    absent = _nothing(text) or (kind == "strings" and not _strings(text))
    if absent and field.get("required"):
        raise RefusedError
    if kind == "strings":
        return _strings(default) if absent else _strings(text)
    if absent:
        return float(default) if type(default) is int else default
    if kind == "string":
        return text
    if kind == "bool":
        return _one_of(
            text.strip().lower(), {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        )
    if kind == "timestamp":
        return _moment(text, field.get("unit", "ms"))
    number = _number(text)
    if not field.get("min", number) <= number <= field.get("max", number):
        raise RefusedError
    return number


def _one_of(word: str, meanings: dict[str, bool]) -> bool:
    if word not in meanings:
        raise RefusedError
    return meanings[word]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RefusedError from None


def _moment(text: str, unit: str) -> float:
    if unit != "iso":
        moment = float(int(_number(text) * {"ms": 1, "s": 1_000}[unit]))
        if moment > TIME_MS_MAX:
            raise RefusedError
        return moment
    try:
        return datetime.fromisoformat(text.replace(" UTC", "Z")).timestamp() * 1_000
    except ValueError:
        raise RefusedError from None


def _strings(text: str) -> str:
    parts = text.split(",")
    if text.lstrip().startswith("["):
        listed = json.loads(text)
        if any(isinstance(part, list | dict) for part in listed):
            raise RefusedError
        parts = [str(part) for part in listed if part is not None]
    return "\x1f".join(part.strip() for part in parts if part.strip())
