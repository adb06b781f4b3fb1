"""The bytes of a profile, in the areas of its layout. Part of the state's format.

A byte that is the version of this format, 1. Then the values: bytes, behind their size, whose bits from the lowest of
the first byte on say which values are not 0; and, behind their number, the floats of those. Where there are no such
bytes, the floats are the first values, and the others are 0. Then the texts, the maps, the series and the tables, each
behind their number: a map is its keys, ascending, and a float for each; a series is floats; a table is its keys,
ascending, each with its series. Numbers and sizes are varints, floats are float64 little-endian, texts are UTF-8 behind
their size.
"""

from __future__ import annotations

from array import array
from math import copysign
from typing import Final

from driftline.wire import varint
from udfs.packed import Cursor, add_content, add_floats, add_word, float_bytes
from udfs.profile import NOTHING, Profile

_VERSION: Final = b"\x01"
_BYTE: Final = 0xFF
_ALL_MAX: Final = 64  # so many values are written whole: which of them are 0 takes longer to find than to write
_NONE: Final = b"\0"


class UnknownPackedError(Exception):
    """Packed bytes have a version that this code does not know: a newer release wrote them."""


def pack_profile(profile: Profile, *, small: bool = True) -> bytes:
    """Return the bytes of a profile; none of an empty one. Equal profiles give equal bytes.

    Args:
        profile: the profile.
        small: without the values that are 0, wherever they are; else in half the time, where there are few values.
    """
    if profile.empty:
        return b""
    parts: list[bytes] = [_VERSION]
    values = profile.values
    if not small and len(values) <= _ALL_MAX:
        parts.append(_NONE)
        add_floats(parts, _without_zeros(values))
    else:
        floats: list[float] = []
        add_content(parts, _present(values, floats))
        add_floats(parts, floats)
    parts.append(varint(len(profile.texts)))
    for text in profile.texts:
        add_word(parts, text)
    parts.append(varint(len(profile.maps)))
    for weights in profile.maps:
        _add_map(parts, weights)
    parts.append(varint(len(profile.series)))
    for series in profile.series:
        if series:
            add_floats(parts, series)
        else:  # most are
            parts.append(_NONE)
    parts.append(varint(len(profile.tables)))
    for table in profile.tables:
        parts.append(varint(len(table)))
        for key in sorted(table):
            add_word(parts, key)
            add_floats(parts, table[key])
    return b"".join(parts)


def _without_zeros(values: list[float]) -> list[float]:
    """Return values without zeros at the end; -0.0 is none."""
    end = len(values)
    while end and values[end - 1] == 0.0 and copysign(1.0, values[end - 1]) > 0.0:
        end -= 1
    return values[:end]


def _present(values: list[float], floats: list[float]) -> bytes:
    """Return a bit for each value, 1 where it is not 0, without zeros at the end; append those values to `floats`.

    -0.0 is a value: what is read must have the bits of what was written.
    """
    present: list[int] = []
    byte, bit = 0, 1
    for value in values:
        if value != 0.0 or copysign(1.0, value) < 0.0:
            byte |= bit
            floats.append(value)
        bit <<= 1
        if bit > _BYTE:
            present.append(byte)
            byte, bit = 0, 1
    present.append(byte)
    return bytes(present).rstrip(b"\0")


def _add_map(parts: list[bytes], weights: dict[str, float]) -> None:
    parts.append(varint(len(weights)))
    if not weights:
        return
    keys = sorted(weights)  # the order in the dict depends on history
    for key in keys:
        add_word(parts, key)
    parts.append(float_bytes([weights[key] for key in keys]))


def unpack_profile(packed: bytes, blank: Profile) -> Profile:
    """Return the profile of bytes that `pack_profile` of this release or an older one wrote.

    Args:
        packed: the bytes; none for an empty profile.
        blank: an empty profile of the layout that it was written in; becomes the result.

    Raises:
        UnknownPackedError: a newer release wrote them.
    """
    if not packed:
        return blank
    if packed[:1] != _VERSION:
        message = f"a profile's bytes have version {packed[0]}; this release reads {_VERSION[0]}"
        raise UnknownPackedError(message)
    cursor = Cursor(packed, 1)
    slots, floats = cursor.content(), cursor.floats()
    if slots:
        set_values(blank.values, slots, floats)
    else:
        blank.values[: len(floats)] = floats
    blank.texts = [cursor.text() for _ in range(cursor.number())]
    blank.maps = [_read_map(cursor) for _ in range(cursor.number())]
    series = cursor.number()
    if series:
        blank.series = [cursor.floats() or NOTHING for _ in range(series)]
    tables = cursor.number()
    if tables:
        blank.tables = [_read_table(cursor) for _ in range(tables)]
    return blank


def set_values(values: list[float], slots: bytes, floats: list[float]) -> None:
    """Set the values that are not 0, by their bits."""
    at = 0
    for byte, present in enumerate(slots):
        bits, slot = present, 8 * byte
        while bits:
            if bits & 1:
                values[slot] = floats[at]
                at += 1
            bits >>= 1
            slot += 1


def _read_map(cursor: Cursor) -> dict[str, float]:
    number = cursor.number()
    if not number:
        return {}
    keys = [cursor.text() for _ in range(number)]
    start = cursor.at
    cursor.at = start + 8 * number
    weights: list[float] = array("d", cursor.rows[start : cursor.at]).tolist()
    return dict(zip(keys, weights, strict=True))


def _read_table(cursor: Cursor) -> dict[str, list[float]]:
    table: dict[str, list[float]] = {}
    for _ in range(cursor.number()):
        key = cursor.text()
        table[key] = cursor.floats()
    return table
