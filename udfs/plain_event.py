"""Reads the bytes of a `UserEvent` that is written as producers write it; the generated class reads all others.

The generated class takes a sixth of the core's time, half of it for asking it for the fields. What is read here is what
it would read (tests/unit/udfs/test_plain_event.py): anything unusual is left to it, errors included.
"""

from __future__ import annotations

from typing import Final

from driftline.event.v1.event_pb2 import UserEvent
from driftline.wire import tag
from udfs.event import REFUND
from udfs.packed import Cursor


def _tag(number: int, *, delimited: bool) -> int:
    return tag(number, delimited=delimited)[0]


_EVENT_ID: Final[int] = _tag(UserEvent.EVENT_ID_FIELD_NUMBER, delimited=True)
_USER_ID: Final[int] = _tag(UserEvent.USER_ID_FIELD_NUMBER, delimited=True)
_TYPE: Final[int] = _tag(UserEvent.TYPE_FIELD_NUMBER, delimited=False)
_TIME: Final[int] = _tag(UserEvent.EVENT_TIME_MS_FIELD_NUMBER, delimited=False)
_ITEM_ID: Final[int] = _tag(UserEvent.ITEM_ID_FIELD_NUMBER, delimited=True)
_CATEGORY: Final[int] = _tag(UserEvent.CATEGORY_FIELD_NUMBER, delimited=True)
_VALUE: Final[int] = UserEvent.VALUE_FIELD_NUMBER << 3 | 1  # 1: a value of eight bytes
_CURRENCY: Final[int] = _tag(UserEvent.CURRENCY_FIELD_NUMBER, delimited=True)
_CHANNEL: Final[int] = _tag(UserEvent.CHANNEL_FIELD_NUMBER, delimited=False)
_NAME: Final[int] = _tag(UserEvent.NAME_FIELD_NUMBER, delimited=True)
_PROPERTIES: Final[int] = _tag(UserEvent.PROPERTIES_FIELD_NUMBER, delimited=True)
_KEY: Final = 0x0A  # tags in an entry of a map
_CONTENT: Final = 0x12
_DELIMITED: Final = 2
_KINDS: Final = 7  # the bits of a tag that say how a field is written
_SIZE_BYTES_MAX: Final = 2  # of what is read here: more are no usual event
_NUMBER_BYTES_MAX: Final = 7  # likewise; event times until 2100 take six


class GivenEvent:
    """What of an event is folded and checked, as its producer has given it.

    Attributes:
        has_value: whether there is a value, which may be 0.
        named: whether there is a name; needed of a CUSTOM event alone.
        currency: needed of a PURCHASE or a REFUND alone.
    """

    __slots__ = ("category", "currency", "event_id", "has_value", "named", "time_ms", "type", "user_id", "value")

    def __init__(self) -> None:
        self.event_id = ""
        self.user_id = ""
        self.type = 0
        self.time_ms = 0
        self.category = ""
        self.value = 0.0
        self.has_value = False
        self.currency = ""
        self.named = False

    def put_number(self, tagged: int, number: int) -> bool:
        """Set a field; returns whether it is a usual one."""
        if tagged == _TIME:
            self.time_ms = number
        elif tagged == _TYPE:
            self.type = number
            return number <= REFUND
        else:
            return tagged == _CHANNEL
        return True

    def put(self, tagged: int, content: bytes) -> bool:
        """Set a field; returns whether it is a usual one. Raises UnicodeDecodeError."""
        if tagged == _EVENT_ID:
            self.event_id = content.decode()
        elif tagged == _USER_ID:
            self.user_id = content.decode()
        elif tagged == _CATEGORY:
            self.category = content.decode()
        elif tagged == _CURRENCY:
            self.currency = content.decode()
        elif tagged == _NAME:
            self.named = bool(content)
            return content.isascii()
        elif tagged == _ITEM_ID:
            return content.isascii()
        else:
            return tagged == _PROPERTIES and _is_entry(content)
        return True


def _is_entry(content: bytes) -> bool:
    """Return whether bytes are a key and a value, each there, of ASCII and short."""
    end = len(content)
    if end < 4 or not content.isascii() or content[0] != _KEY:  # noqa: PLR2004  (two tags and two sizes)
        return False
    at = 2 + content[1]  # a size is ASCII, too: it takes one byte
    return at + 2 <= end and content[at] == _CONTENT and at + 2 + content[at + 1] == end


def read_plain(value: bytes) -> GivenEvent | None:
    """Return what the bytes of an event say; None where the generated class has to read them."""
    try:
        return _read(value)
    except (IndexError, UnicodeDecodeError):
        return None


def _read(value: bytes) -> GivenEvent | None:
    given = GivenEvent()
    cursor = Cursor(value)
    end = len(value)
    while cursor.at < end:
        tagged = value[cursor.at]
        cursor.at += 1
        start = cursor.at
        if tagged == _VALUE:
            if start + 8 > end:
                return None
            given.value = cursor.double()
            given.has_value = True
            continue
        number = cursor.number()
        taken = cursor.at - start
        if tagged & _KINDS == _DELIMITED:
            start = cursor.at
            cursor.at = start + number
            usual = taken <= _SIZE_BYTES_MAX and given.put(tagged, value[start : start + number])
        else:
            usual = taken <= _NUMBER_BYTES_MAX and given.put_number(tagged, number)
        if not usual:
            return None
    return given if cursor.at == end else None
