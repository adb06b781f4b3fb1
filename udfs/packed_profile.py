"""The bytes of a profile: a serialized PackedProfile (state.proto), in the areas of the profile's layout."""

from __future__ import annotations

import struct
from array import array
from math import copysign
from typing import Final

from driftline.state.v1.state_pb2 import PackedProfile, SeriesTable, WeightMap
from driftline.wire import tag, varint
from udfs.profile import NOTHING, Profile

_VALUE_SLOTS: Final = tag(PackedProfile.VALUE_SLOTS_FIELD_NUMBER, delimited=True)
_VALUE_FLOATS: Final = tag(PackedProfile.VALUE_FLOATS_FIELD_NUMBER, delimited=True)
_TEXTS: Final = tag(PackedProfile.TEXTS_FIELD_NUMBER, delimited=True)
_MAPS: Final = tag(PackedProfile.MAPS_FIELD_NUMBER, delimited=True)
_SERIES: Final = tag(PackedProfile.SERIES_FIELD_NUMBER, delimited=True)
_SERIES_EMPTY: Final = _SERIES + varint(0)
_TABLES: Final = tag(PackedProfile.TABLES_FIELD_NUMBER, delimited=True)
_MAP_KEYS: Final = tag(WeightMap.KEYS_FIELD_NUMBER, delimited=True)
_MAP_WEIGHTS: Final = tag(WeightMap.WEIGHTS_FIELD_NUMBER, delimited=True)
_TABLE_KEYS: Final = tag(SeriesTable.KEYS_FIELD_NUMBER, delimited=True)
_TABLE_SERIES: Final = tag(SeriesTable.SERIES_FIELD_NUMBER, delimited=True)
_MINUS_ZERO: Final = struct.pack("<d", -0.0)
_BYTE: Final = 0xFF


def payload(parts: list[bytes], tagged: bytes, content: bytes) -> None:
    """Append a field of bytes; nothing where they are empty."""
    if content:
        parts += (tagged, varint(len(content)), content)


def strings(parts: list[bytes], tagged: bytes, texts: list[str]) -> None:
    """Append a repeated field of texts, the empty ones included."""
    for text in texts:
        content = text.encode()
        parts += (tagged, varint(len(content)), content)


def nested(parts: list[bytes], tagged: bytes, content: bytes) -> None:
    """Append one of a repeated field, empty or not: its place says whose it is."""
    parts += (tagged, varint(len(content)), content)


def pack_profile(profile: Profile) -> bytes:
    """Return the bytes of a profile; none of an empty one. Equal profiles give equal bytes."""
    if profile.empty:
        return b""
    parts: list[bytes] = []
    floats: list[float] = []
    payload(parts, _VALUE_SLOTS, _present(profile.values, floats))
    payload(parts, _VALUE_FLOATS, array("d", floats).tobytes())
    strings(parts, _TEXTS, profile.texts)
    for weights in profile.maps:
        nested(parts, _MAPS, _map_bytes(weights))
    for series in profile.series:
        if series:
            nested(parts, _SERIES, array("d", series).tobytes())
        else:  # most are
            parts.append(_SERIES_EMPTY)
    for table in profile.tables:
        nested(parts, _TABLES, _table_bytes(table))
    return b"".join(parts)


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


def _map_bytes(weights: dict[str, float]) -> bytes:
    parts: list[bytes] = []
    keys = sorted(weights)  # the order in the dict depends on history
    strings(parts, _MAP_KEYS, keys)
    payload(parts, _MAP_WEIGHTS, array("d", [weights[key] for key in keys]).tobytes())
    return b"".join(parts)


def _table_bytes(table: dict[str, list[float]]) -> bytes:
    parts: list[bytes] = []
    keys = sorted(table)
    strings(parts, _TABLE_KEYS, keys)
    for key in keys:
        nested(parts, _TABLE_SERIES, array("d", table[key]).tobytes())
    return b"".join(parts)


def unpack_profile(packed: bytes, blank: Profile) -> Profile:
    """Return the profile of bytes that `pack_profile` of this release or an older one wrote.

    Args:
        packed: the bytes; none for an empty profile.
        blank: an empty profile of the layout that it was written in; becomes the result.
    """
    if not packed:
        return blank
    message = PackedProfile.FromString(packed)
    set_values(blank.values, message.value_slots, message.value_floats)
    blank.texts = list(message.texts)
    blank.maps = [map_of(weights) for weights in message.maps]
    if message.series:
        blank.series = [list(array("d", series)) if series else NOTHING for series in message.series]
    if message.tables:
        blank.tables = [table_of(table) for table in message.tables]
    return blank


def set_values(values: list[float], slots: bytes, packed: bytes) -> None:
    """Set the values that are not 0, by their bits."""
    floats = array("d", packed)
    at = 0
    for byte, present in enumerate(slots):
        bits, slot = present, 8 * byte
        while bits:
            if bits & 1:
                values[slot] = floats[at]
                at += 1
            bits >>= 1
            slot += 1


def map_of(stored: WeightMap) -> dict[str, float]:
    """Return the map of a message."""
    return dict(zip(stored.keys, array("d", stored.weights), strict=True))


def table_of(stored: SeriesTable) -> dict[str, list[float]]:
    """Return the table of a message."""
    return {key: list(array("d", series)) for key, series in zip(stored.keys, stored.series, strict=True)}
