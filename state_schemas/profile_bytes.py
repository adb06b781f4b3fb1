"""The bytes of what declarations add to a committed profile and to the events of a tail (UserState in state.proto)."""

from __future__ import annotations

import struct
from array import array
from math import copysign
from typing import Final

from driftline.state.v1.state_pb2 import SeriesTable, UserState, WeightMap
from driftline.wire import tag, varint
from udfs.event import Event
from udfs.plan.layout import Layout
from udfs.profile import NOTHING, Profile

_LAYOUT: Final = varint(UserState.LAYOUT_FIELD_NUMBER << 3 | 1)  # 1: a value of eight bytes
_ID: Final = struct.Struct("<Q")
_VALUE_SLOTS: Final = tag(UserState.VALUE_SLOTS_FIELD_NUMBER, delimited=True)
_VALUE_FLOATS: Final = tag(UserState.VALUE_FLOATS_FIELD_NUMBER, delimited=True)
_TEXTS: Final = tag(UserState.TEXTS_FIELD_NUMBER, delimited=True)
_MAPS: Final = tag(UserState.MAPS_FIELD_NUMBER, delimited=True)
_SERIES: Final = tag(UserState.SERIES_FIELD_NUMBER, delimited=True)
_SERIES_EMPTY: Final = _SERIES + varint(0)
_MINUS_ZERO: Final = struct.pack("<d", -0.0)
_BYTE: Final = 0xFF
_TABLES: Final = tag(UserState.TABLES_FIELD_NUMBER, delimited=True)
_MAP_KEYS: Final = tag(WeightMap.KEYS_FIELD_NUMBER, delimited=True)
_MAP_WEIGHTS: Final = tag(WeightMap.WEIGHTS_FIELD_NUMBER, delimited=True)
_TABLE_KEYS: Final = tag(SeriesTable.KEYS_FIELD_NUMBER, delimited=True)
_TABLE_SERIES: Final = tag(SeriesTable.SERIES_FIELD_NUMBER, delimited=True)


def payload(parts: list[bytes], tagged: bytes, content: bytes) -> None:
    """Append a field of bytes; nothing where they are empty."""
    if content:
        parts += (tagged, varint(len(content)), content)


def strings(parts: list[bytes], tagged: bytes, texts: list[str]) -> None:
    """Append a repeated field of texts, the empty ones included."""
    for text in texts:
        content = text.encode()
        parts += (tagged, varint(len(content)), content)


def add_declared(parts: list[bytes], profile: Profile, layout: Layout) -> None:
    """Append the fields that a profile has where its layout is not v1's."""
    parts += (_LAYOUT, _ID.pack(layout.id))
    floats: list[float] = []
    payload(parts, _VALUE_SLOTS, _present(profile.values, floats))
    payload(parts, _VALUE_FLOATS, array("d", floats).tobytes())
    strings(parts, _TEXTS, profile.texts[1:])
    for weights in profile.maps[1:]:
        _nested(parts, _MAPS, _map_bytes(weights))
    for series in profile.series:
        if series:
            _nested(parts, _SERIES, array("d", series).tobytes())
        else:  # most are
            parts.append(_SERIES_EMPTY)
    for table in profile.tables:
        _nested(parts, _TABLES, _table_bytes(table))


def _present(values: list[float], floats: list[float]) -> bytes:
    """Return a bit for each value, 1 where it is not 0, without zeros at the end; append those values to `floats`.

    -0.0 is a value: what is read must have the bits of what was written. It is looked for only where its bytes occur.
    """
    negative = _MINUS_ZERO in array("d", values).tobytes()
    present: list[int] = []
    byte, bit = 0, 1
    for value in values:
        if value != 0.0 or (negative and copysign(1.0, value) < 0.0):
            byte |= bit
            floats.append(value)
        bit <<= 1
        if bit > _BYTE:
            present.append(byte)
            byte, bit = 0, 1
    present.append(byte)
    return bytes(present).rstrip(b"\0")


def _nested(parts: list[bytes], tagged: bytes, content: bytes) -> None:
    """Append one of a repeated field, empty or not: its place says whose it is."""
    parts += (tagged, varint(len(content)), content)


def _map_bytes(weights: dict[str, float]) -> bytes:
    parts: list[bytes] = []
    keys = sorted(weights)
    strings(parts, _MAP_KEYS, keys)
    payload(parts, _MAP_WEIGHTS, array("d", [weights[key] for key in keys]).tobytes())
    return b"".join(parts)


def _table_bytes(table: dict[str, list[float]]) -> bytes:
    parts: list[bytes] = []
    keys = sorted(table)
    strings(parts, _TABLE_KEYS, keys)
    for key in keys:
        _nested(parts, _TABLE_SERIES, array("d", table[key]).tobytes())
    return b"".join(parts)


def declared(message: UserState, first: Profile, layout: Layout) -> Profile:
    """Return the committed profile of a message that names a layout.

    Args:
        message: of the user.
        first: what the message's fields for every layout hold: the first text and map.
        layout: that the message names.
    """
    profile = layout.blank()
    profile.texts = [first.texts[0], *message.texts]
    profile.maps = [first.maps[0], *[_map(weights) for weights in message.maps]]
    profile.series = [list(array("d", series)) if series else NOTHING for series in message.series]
    profile.tables = [_table(table) for table in message.tables]
    floats = array("d", message.value_floats)
    at = 0
    for byte, present in enumerate(message.value_slots):
        bits, slot = present, 8 * byte
        while bits:
            if bits & 1:
                profile.values[slot] = floats[at]
                at += 1
            bits >>= 1
            slot += 1
    return profile


def _map(stored: WeightMap) -> dict[str, float]:
    return dict(zip(stored.keys, array("d", stored.weights), strict=True))


def _table(stored: SeriesTable) -> dict[str, list[float]]:
    return {key: list(array("d", series)) for key, series in zip(stored.keys, stored.series, strict=True)}


def with_fields(message: UserState, tail: list[Event], layout: Layout) -> list[Event]:
    """Return the events of a tail with their declared fields, which the message has event by event."""
    numbers, texts = array("d", message.tail_numbers), list(message.tail_texts)
    if not numbers and not texts:
        return tail
    number_at = text_at = 0
    for event in tail:
        fields = layout.types.get(layout.name_of(event.type))
        if fields is not None:
            number_end, text_end = number_at + len(fields.numbers), text_at + len(fields.texts)
            event.numbers = tuple(numbers[number_at:number_end])
            event.texts = tuple(texts[text_at:text_end])
            number_at, text_at = number_end, text_end
    return tail
