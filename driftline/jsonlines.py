"""Events as JSON lines: one event a line, in the proto3 JSON mapping and in what producers make of it.

Accepts what the mapping accepts (camelCase and snake_case names, integers as numbers or strings, enums by name or
number, null as absent), and beyond it, because SDKs and exports send it:

- types and channels in any case and usual spelling (driftline/words.py); a type unknown to this version becomes CUSTOM,
  named by the unknown word unless it has a name, an unknown channel counts as none;
- whole numbers where a text is due (ids), times as text with their zone (driftline/times.py);
- anything in `properties`: null is absence, true, false and numbers become text, objects and lists their JSON.

Unknown fields are ignored, whatever is in them. Everything else is an error, never a guess. No message holds anything
of the document but the names of our own fields, types, positions and sizes: it may be personal, and messages travel.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from json.encoder import encode_basestring as _quoted
from typing import Any

from driftline.event.v1.event_pb2 import UserEvent
from driftline.times import parse_time_ms
from driftline.words import channel_number, type_number

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_SPECIAL_WORDS = {math.inf: '"Infinity"', -math.inf: '"-Infinity"'}
_TYPES: dict[str, int] = dict(UserEvent.Type.items())
_TYPE_WORDS = {number: f'"{name}"' for name, number in _TYPES.items()}
_CHANNELS: dict[str, int] = dict(UserEvent.Channel.items())
_CHANNEL_WORDS = {number: f'"{name}"' for name, number in _CHANNELS.items()}
_NO_WORDS: dict[str, int] = {}
TOO_DEEP = "is not JSON that can be read: nested too deeply"
_DIGITS_MAX = 400  # a double has at most 309 digits before the point; more are only work
_EXACT_MAX = 2**53  # whole numbers up to here are exact as a double
_PLAIN_MAX = 1e16  # whole numbers from here on are written with an exponent


class _Long(str):
    """The digits of a number that is too long for one."""

    __slots__ = ()


class _Twice:
    """Stands for an object in which a key is given twice; harmless in a field that is not read."""

    def __init__(self, key: str) -> None:
        self.key = key


def parse_event(line: bytes) -> UserEvent:
    """The event of one JSON document in UTF-8. Raises ValueError with a plain reason, and nothing else.

    Checks form only: whether the required fields are there and hold usable values is for the reader to decide. The word
    of a type that is not known is the event's `type_word`.
    """
    try:
        return event_of(load_object(line))
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def event_of(document: dict[str, Any]) -> UserEvent:
    """The event of a loaded document; see `parse_event`. Raises ValueError."""
    fields: dict[str, Any] = {}
    for key, value in document.items():
        known = _FIELDS.get(key)
        if known is None or value is None:
            continue
        name, words, convert = known
        if name in fields:
            raise _twice(name)
        if value.__class__ is str and (convert is None or value in words):
            fields[name] = value if convert is None else words[value]
        else:
            fields[name] = (convert or _text)(key, value)
    event_type = fields.get("type")
    if event_type.__class__ is str:  # a word that this version does not know
        fields["type"] = UserEvent.CUSTOM
        fields["type_word"] = event_type
        fields["name"] = fields.get("name") or event_type
    try:
        return UserEvent(**fields)
    except UnicodeEncodeError:
        message = "contains half of a surrogate pair, which is no character"
        raise ValueError(message) from None


def format_event(event: UserEvent) -> str:
    """The event as one line of JSON without a line end. Equal events give equal lines."""
    quoted = _quoted
    parts: list[str] = []
    for name, text in (("eventId", event.event_id), ("userId", event.user_id)):
        if text:
            parts.append(f'"{name}":{quoted(text)}')
    if event.type:
        parts.append(f'"type":{_TYPE_WORDS.get(event.type, event.type)}')
    if event.event_time_ms:
        parts.append(f'"eventTimeMs":"{event.event_time_ms}"')
    for name, text in (("itemId", event.item_id), ("category", event.category)):
        if text:
            parts.append(f'"{name}":{quoted(text)}')
    if event.HasField("value"):
        parts.append(f'"value":{_number(event.value)}')
    if event.currency:
        parts.append(f'"currency":{quoted(event.currency)}')
    if event.channel:
        parts.append(f'"channel":{_CHANNEL_WORDS.get(event.channel, event.channel)}')
    if event.name:
        parts.append(f'"name":{quoted(event.name)}')
    if event.type_word:
        parts.append(f'"typeWord":{quoted(event.type_word)}')
    if event.properties:
        pairs = sorted(event.properties.items())
        parts.append('"properties":{' + ",".join([f"{quoted(key)}:{quoted(text)}" for key, text in pairs]) + "}")
    return "{" + ",".join(parts) + "}"


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else _SPECIAL_WORDS.get(value, '"NaN"')


def load_object(line: bytes) -> dict[str, Any]:
    """The JSON object of a document. Raises ValueError with a plain reason, and RecursionError."""
    try:
        document = _DECODER.decode(line.decode())
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 (byte {error.start + 1})"
        raise ValueError(message) from None
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg} at character {error.pos + 1}"
        raise ValueError(message) from None
    if document.__class__ is dict:
        loaded: dict[str, Any] = document
        return loaded
    if document.__class__ is _Twice:
        raise _twice(document.key)
    message = f"is not a JSON object but {_kind(document)}"
    raise ValueError(message)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Twice:
    document = dict(pairs)
    if len(document) == len(pairs):
        return document
    names = [name for name, _ in pairs]
    return _Twice(next(name for name in names if names.count(name) > 1))


def _parse_int(digits: str) -> int | _Long:
    return int(digits) if len(digits) <= _DIGITS_MAX else _Long(digits)


_KINDS: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    dict: "an object",
    list: "a list",
    _Twice: "an object",
    type(None): "null",
}


def _kind(value: object) -> str:
    """What a value is, in words that hold nothing of it."""
    if value.__class__ is _Long:
        return f"a number of {len(str(value))} digits"
    if value.__class__ is float and not math.isfinite(value):
        return "a number that is not finite"
    return _KINDS.get(value.__class__, "something else")


def _twice(name: str) -> ValueError:
    return ValueError(f"{name if name in _FIELDS else 'a key'} is given twice")


def _wrong(key: str, wanted: str, value: object) -> ValueError:
    return ValueError(f"{key} must be {wanted}, not {_kind(value)}")


def _text(key: str, value: object) -> str:
    """The text of a field: a string, or a whole number in its digits. Other numbers have more than one spelling."""
    if value.__class__ is str or value.__class__ is int or value.__class__ is _Long:
        return str(value)
    if value.__class__ is float and value.is_integer() and abs(value) <= _EXACT_MAX:
        return str(int(value))
    raise _wrong(key, "a string or a whole number", value)


def _whole(value: object, bounds: tuple[int, int]) -> int | None:
    number: int | None = None
    if type(value) is int:
        number = value
    elif (type(value) is str and _INTEGER.fullmatch(value)) or (type(value) is float and value.is_integer()):
        number = int(value)  # 1.76e12 is an integer in the mapping
    return number if number is not None and bounds[0] <= number <= bounds[1] else None


def _time_ms(key: str, value: object) -> int:
    number = _whole(value, _INT64)
    if number is not None:
        return number
    if type(value) is not str or _INTEGER.fullmatch(value):
        raise _wrong(key, "whole milliseconds in 64 bits", value)
    try:
        return parse_time_ms(value)
    except ValueError as error:
        message = f"{key} must be whole milliseconds or {error}, not another string"
        raise ValueError(message) from None


def _double(key: str, value: object) -> float:
    number: float | None = None
    if type(value) is float:
        number = value
    elif type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            raise _wrong(key, "a number of double precision", value) from None
    elif type(value) is str:  # the mapping allows numbers in quotes
        if value in _SPECIAL:
            return _SPECIAL[value]
        if _NUMBER.fullmatch(value):
            number = float(value)
    if number is None or not math.isfinite(number):
        raise _wrong(key, "a number", value)
    return number


def _type(key: str, value: object) -> int | str:
    if type(value) is str and not _INTEGER.fullmatch(value):
        known = type_number(value)
        return (value if value.strip() else UserEvent.TYPE_UNSPECIFIED) if known is None else known
    number = _whole(value, _INT32)
    if number is None:
        raise _wrong(key, "the name or number of an event type", value)
    return number


def _channel(key: str, value: object) -> int:
    if type(value) is str and not _INTEGER.fullmatch(value):
        return channel_number(value)
    number = _whole(value, _INT32)
    if number is None:
        raise _wrong(key, "the name or number of a channel", value)
    return number


def _properties(key: str, value: object) -> dict[str, str]:
    if value.__class__ is _Twice:
        message = f"{key} has a key twice"
        raise ValueError(message)
    if type(value) is not dict:
        raise _wrong(key, "an object", value)
    for text in value.values():
        if text.__class__ is not str:
            break
    else:
        return value
    texts = ((name, property_text(content)) for name, content in value.items())
    return {name: text for name, text in texts if text is not None}


def property_text(value: object) -> str | None:
    """The text of anything in JSON; None where it is absent, and where it cannot be written as JSON again."""
    if value is None or type(value) is str:
        return value
    if type(value) is int or value.__class__ is _Long:
        return str(value)
    if type(value) is float:
        if value.is_integer() and abs(value) < _PLAIN_MAX:
            return str(int(value))
        return repr(value) if math.isfinite(value) else _SPECIAL_WORDS.get(value, '"NaN"')[1:-1]
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError):  # not finite, a key twice, too deep
        return None


_CONVERTERS: dict[str, Callable[[str, object], Any]] = {
    "type": _type,
    "event_time_ms": _time_ms,
    "value": _double,
    "channel": _channel,
    "properties": _properties,
}
_WORDS = {"type": _TYPES, "channel": _CHANNELS}
_FIELDS = {
    key: (field.name, _WORDS.get(field.name, _NO_WORDS), _CONVERTERS.get(field.name))
    for field in UserEvent.DESCRIPTOR.fields
    for key in (field.json_name, field.name)
}  # name in JSON -> name of the field, the words that stand for numbers, converter of everything else; None: text
# NaN and Infinity outside quotes are no JSON, but SDKs write them: an error in a field that is read, else harmless.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_parse_int)
