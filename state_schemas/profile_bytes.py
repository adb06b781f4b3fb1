"""The bytes of what declarations add to a committed profile and to the events of a tail (UserState in state.proto)."""

from __future__ import annotations

import struct
from array import array
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
    bits = array("Q", array("d", profile.values).tobytes())  # tells -0.0 from 0.0
    present = bytearray((len(bits) + 7) // 8)
    floats = array("Q")
    for slot, value in enumerate(bits):
        if value:
            present[slot >> 3] |= 1 << (slot & 7)
            floats.append(value)
    payload(parts, _VALUE_SLOTS, bytes(present).rstrip(b"\0"))
    payload(parts, _VALUE_FLOATS, floats.tobytes())
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


def number_rows(message: UserState, tail: list[Event], layout: Layout) -> list[Event]:
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
