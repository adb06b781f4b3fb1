"""Events as JSON lines: one event a line, in the proto3 JSON mapping.

Accepts what the mapping accepts (camelCase and snake_case names, integers as numbers or strings, enums by name or
number, null as absent) and is otherwise strict: a wrong type is an error, never a guess. Three rules are Driftline's:
a type unknown to this version becomes CUSTOM, named by the unknown word; an unknown channel counts as none; unknown
fields are ignored.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from json.encoder import encode_basestring as _quoted
from typing import Any

from driftline.event.v1.event_pb2 import UserEvent

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
_DIGITS_MAX = 400  # a double has at most 309 digits before the point; more are only work
_SHOWN_MAX = 40  # characters of a bad value that a message shows


def parse_event(line: bytes) -> UserEvent:
    """The event of one JSON document in UTF-8. Raises ValueError with a plain reason.

    Checks form only: whether the required fields are there and hold usable values is for the reader to decide.
    """
    document = _load(line)
    fields: dict[str, Any] = {}
    for key, value in document.items():
        known = _FIELDS.get(key)
        if known is None or value is None:
            continue
        name, words, convert = known
        if name in fields:
            raise _twice(name)
        if convert is None:
            if type(value) is not str:
                raise _wrong(key, "a string", value)
            fields[name] = value
        elif value.__class__ is str and value in words:
            fields[name] = words[value]
        else:
            fields[name] = convert(key, value)
    event_type = fields.get("type")
    if event_type.__class__ is str:  # a word that this version does not know
        fields["type"] = UserEvent.CUSTOM
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
    if event.properties:
        pairs = sorted(event.properties.items())
        parts.append('"properties":{' + ",".join([f"{quoted(key)}:{quoted(text)}" for key, text in pairs]) + "}")
    return "{" + ",".join(parts) + "}"


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else _SPECIAL_WORDS.get(value, '"NaN"')


def _load(line: bytes) -> dict[str, Any]:
    try:
        document = _DECODER.decode(line.decode())
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 (byte {error.start + 1})"
        raise ValueError(message) from None
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg} at character {error.pos + 1}"
        raise ValueError(message) from None
    except RecursionError:
        message = "is not JSON that can be read: nested too deeply"
        raise ValueError(message) from None
    if type(document) is not dict:
        message = f"is not a JSON object but {_shown(document)}"
        raise ValueError(message)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _twice(twice)
    return document


def _no_constant(word: str) -> float:
    message = f"is not JSON: {word} outside quotes"
    raise ValueError(message)


def _parse_int(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        message = f"holds a number of {len(digits)} digits"
        raise ValueError(message)
    return int(digits)


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 3] + "..."


def _twice(name: str) -> ValueError:
    return ValueError(f"{_shown(name)} is given twice")


def _wrong(key: str, wanted: str, value: object) -> ValueError:
    return ValueError(f"{key} must be {wanted}, not {_shown(value)}")


def _whole(key: str, value: object, bounds: tuple[int, int], wanted: str) -> int:
    number: int | None = None
    if type(value) is int:
        number = value
    elif (type(value) is str and _INTEGER.fullmatch(value)) or (type(value) is float and value.is_integer()):
        number = int(value)  # 1.76e12 is an integer in the mapping
    if number is None or not bounds[0] <= number <= bounds[1]:
        raise _wrong(key, wanted, value)
    return number


def _int64(key: str, value: object) -> int:
    return _whole(key, value, _INT64, "a whole number of 64 bits")


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
    if number is None or math.isinf(number):
        raise _wrong(key, "a number", value)
    return number


def _type(key: str, value: object) -> int | str:
    if value == "":
        return UserEvent.TYPE_UNSPECIFIED
    if type(value) is str and not _INTEGER.fullmatch(value):
        return value
    return _whole(key, value, _INT32, "the name or number of an event type")


def _channel(key: str, value: object) -> int:
    if type(value) is str and not _INTEGER.fullmatch(value):
        return UserEvent.CHANNEL_UNSPECIFIED
    return _whole(key, value, _INT32, "the name or number of a channel")


def _properties(key: str, value: object) -> dict[str, str]:
    if type(value) is not dict:
        raise _wrong(key, "an object of strings", value)
    for name, text in value.items():
        if type(text) is not str:
            message = f"{key} must hold strings only, not {_shown(text)} as {_shown(name)}"
            raise ValueError(message)
    return value


_CONVERTERS: dict[str, Callable[[str, object], Any]] = {
    "type": _type,
    "event_time_ms": _int64,
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
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_parse_int, parse_constant=_no_constant)
