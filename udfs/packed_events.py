"""The bytes of a tail's events, one row an event (udfs/packed_tail.py). Part of the state's format.

A row is its size without the size itself (a varint), the event time (6 bytes, little-endian, milliseconds), the number
of the type (a byte), flags (a byte), the id, and what the flags say is there, in the order of the flags. Texts are
their size in bytes (a varint) and UTF-8. An id that is a UUID in its usual form is its 16 bytes. Rows stand in the
order of the fold; a category that is that of the row before is not repeated.
"""

from __future__ import annotations

import struct
from typing import Final

from driftline.wire import varint
from udfs.event import Event
from udfs.packed import Cursor, add_text, add_word

_HEAD: Final = struct.Struct("<IHBB")  # the time in two parts, the type, the flags
_HEAD_AS_ONE: Final = struct.Struct("<Q")  # the same as one number, which takes half as long to write
_TIME: Final = struct.Struct("<IH")
_DOUBLE: Final = struct.Struct("<d")
_CURRENCY: Final = struct.Struct("<H")
_UUID: Final = 1  # flags
_VALUE: Final = 2
_CATEGORY: Final = 4
_SAME_CATEGORY: Final = 8
_KNOWN: Final = 16  # how long before its own time it was known: a varint, milliseconds
_MONEY: Final = 32
_FIELDS: Final = 64  # how many numbers and texts (varints), then the numbers and the texts
_UUID_CHARACTERS: Final = 36
_UUID_BYTES: Final = 16
_HEAD_BYTES: Final = 8
_RARE: Final = _KNOWN | _MONEY | _FIELDS
_MORE: Final = 0x80  # of a varint's byte: another follows


def pack_event(event: Event, category_before: str) -> bytes:
    """Return the row of an event.

    Args:
        event: the event.
        category_before: of the row before; empty for the first.
    """
    flags = 0
    uuid = _uuid_bytes(event.event_id)
    parts: list[bytes] = [b""]
    if uuid:
        flags = _UUID
        parts.append(uuid)
    else:
        add_text(parts, event.event_id)
    if event.value:
        flags |= _VALUE
        parts.append(_DOUBLE.pack(event.value))
    category = event.category
    if category:
        if category == category_before:
            flags |= _SAME_CATEGORY
        else:
            flags |= _CATEGORY
            add_word(parts, category)
    if event.known_ms != event.time_ms:
        flags |= _KNOWN
        parts.append(varint(event.time_ms - event.known_ms))
    if event.currency:
        flags |= _MONEY
        parts.append(_CURRENCY.pack(event.currency))
    if event.numbers or event.texts:
        flags |= _FIELDS
        _add_fields(parts, event)
    time_ms = event.time_ms
    parts[0] = _HEAD_AS_ONE.pack(time_ms | event.type << 48 | flags << 56)
    row = b"".join(parts)
    return varint(len(row)) + row


def _add_fields(parts: list[bytes], event: Event) -> None:
    parts += (varint(len(event.numbers)), varint(len(event.texts)))
    for number in event.numbers:
        parts.append(_DOUBLE.pack(number))
    for text in event.texts:
        add_text(parts, text)


def _uuid_bytes(text: str) -> bytes:
    """Return the bytes of a UUID in its usual form, lower case; nothing of another text."""
    if len(text) != _UUID_CHARACTERS or text[8] != "-":
        return b""
    try:
        found = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return b""
    return found if len(found) == _UUID_BYTES and Cursor(found).uuid() == text else b""


def pack_events(events: list[Event]) -> bytes:
    """Return the rows of events."""
    category = ""
    rows: list[bytes] = []
    for event in events:
        rows.append(pack_event(event, category))
        category = event.category
    return b"".join(rows)


def unpack_events(rows: bytes) -> list[Event]:
    """Return the events of rows; the inverse of `pack_events`."""
    events: list[Event] = []
    cursor = Cursor(rows)
    category = ""
    while cursor.at < len(rows):
        event = _read_event(cursor, category)
        category = event.category
        events.append(event)
    return events


def _read_event(cursor: Cursor, category_before: str) -> Event:
    rows, at = cursor.rows, cursor.at
    size = rows[at]
    at += 1
    if size >= _MORE:  # a long row: its size is for those who skip it
        cursor.number()
        at = cursor.at
    low, high, kind, flags = _HEAD.unpack_from(rows, at)
    at += _HEAD_BYTES
    time_ms: int = low | high << 32
    size = _UUID_BYTES if flags & _UUID else rows[at]
    if flags & _UUID or size >= _MORE:
        cursor.at = at
        event_id = cursor.uuid() if flags & _UUID else cursor.text()
        at = cursor.at
    else:
        event_id = rows[at + 1 : at + 1 + size].decode()
        at += 1 + size
    cursor.at = at
    value = cursor.double() if flags & _VALUE else 0.0
    category = ""
    if flags & _CATEGORY:
        category = cursor.text()
    elif flags & _SAME_CATEGORY:
        category = category_before
    if not flags & _RARE:
        return Event(time_ms, event_id, kind, value, category, time_ms)
    return _read_rest(cursor, flags, Event(time_ms, event_id, kind, value, category, time_ms))


def _read_rest(cursor: Cursor, flags: int, event: Event) -> Event:
    if flags & _KNOWN:
        event.known_ms = event.time_ms - cursor.number()
    if flags & _MONEY:
        event.currency = _CURRENCY.unpack_from(cursor.rows, cursor.at)[0]
        cursor.at += 2
    if flags & _FIELDS:
        numbers, texts = cursor.number(), cursor.number()
        event.numbers = tuple([cursor.double() for _ in range(numbers)])
        event.texts = tuple([cursor.text() for _ in range(texts)])
    return event


def skip_before(rows: bytes, at: int, time_ms: int) -> tuple[int, int]:
    """Return how many rows from `at` on are of events before a time, and where the first other one begins."""
    skipped = 0
    while at < len(rows):
        size = rows[at]
        start = at + 1
        if size >= _MORE:
            cursor = Cursor(rows, at)
            size = cursor.number()
            start = cursor.at
        low, high = _TIME.unpack_from(rows, start)
        if low | high << 32 >= time_ms:
            break
        at = start + size
        skipped += 1
    return skipped, at
