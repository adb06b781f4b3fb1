"""Protobuf's wire format, for the few messages where a generated class takes longer than all that is around it."""

from __future__ import annotations

from typing import Final

_VARINT, _LENGTH_DELIMITED = 0, 2
_ONE_BYTE: Final = [bytes([number]) for number in range(0x80)]


def varint(number: int) -> bytes:
    """Return a number of up to 64 bits in seven bits a byte, the lowest first; one below 0 as its two's complement."""
    if number < 0:
        number += 1 << 64
    if number < 0x80:  # noqa: PLR2004
        return _ONE_BYTE[number]
    parts: list[int] = []
    while number >= 0x80:  # noqa: PLR2004
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def number_field(tagged: bytes, number: int) -> bytes:
    """Return a field that holds a number, by its tag; nothing for 0, which protobuf leaves out."""
    return tagged + varint(number) if number else b""


def tag(field_number: int, *, delimited: bool) -> bytes:
    """Return what is in front of a field: of a number, or of a text, bytes or message before its length."""
    return varint(field_number << 3 | (_LENGTH_DELIMITED if delimited else _VARINT))


def prefix(field_number: int, size: int) -> bytes:
    """Return tag and length of a text, bytes or message of so many bytes."""
    return tag(field_number, delimited=True) + varint(size)
