"""Reads and writes the parts of packed state: numbers, texts and floats, one after another."""

from __future__ import annotations

import struct
from array import array
from typing import Final

from driftline.wire import varint

_DOUBLE: Final = struct.Struct("<d")
_UUID_BYTES: Final = 16
_MORE: Final = 0x80  # of a varint's byte: another follows


class Cursor:
    """A place in packed bytes, for reading on."""

    __slots__ = ("at", "rows")

    def __init__(self, rows: bytes, at: int = 0) -> None:
        self.rows = rows
        self.at = at

    def number(self) -> int:
        """Read a varint."""
        rows, at = self.rows, self.at
        byte = rows[at]
        at += 1
        number = byte
        if byte & _MORE:
            number &= _MORE - 1
            shift = 7
            while byte & _MORE:
                byte = rows[at]
                at += 1
                number |= (byte & (_MORE - 1)) << shift
                shift += 7
        self.at = at
        return number

    def text(self) -> str:
        """Read a text."""
        size = self.number()
        start = self.at
        self.at = start + size
        return self.rows[start : start + size].decode()

    def content(self) -> bytes:
        """Read bytes behind their size."""
        size = self.number()
        start = self.at
        self.at = start + size
        return self.rows[start : start + size]

    def floats(self) -> list[float]:
        """Read floats behind their number."""
        size = 8 * self.number()
        if not size:
            return []
        start = self.at
        self.at = start + size
        numbers: list[float] = array("d", self.rows[start : start + size]).tolist()
        return numbers

    def uuid(self) -> str:
        """Read a UUID."""
        start = self.at
        self.at = start + _UUID_BYTES
        digits = self.rows[start : start + _UUID_BYTES].hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def double(self) -> float:
        """Read a number."""
        value: float = _DOUBLE.unpack_from(self.rows, self.at)[0]
        self.at += 8
        return value


_KNOWN_MAX: Final = 10_000
_known: Final[dict[str, bytes]] = {}  # words that many users have, such as categories, as they are written


def add_word(parts: list[bytes], text: str) -> None:
    """Append a text of which there are few; as `add_text`, in a third of the time."""
    known = _known.get(text)
    if known is None:
        encoded = text.encode()
        known = varint(len(encoded)) + encoded
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        _known[text] = known
    parts.append(known)


def add_text(parts: list[bytes], text: str) -> None:
    """Append a text: its size in bytes, and UTF-8."""
    encoded = text.encode()
    parts.append(varint(len(encoded)))
    parts.append(encoded)


def add_content(parts: list[bytes], content: bytes) -> None:
    """Append bytes behind their size."""
    parts.append(varint(len(content)))
    parts.append(content)


_STRUCTS: Final = [struct.Struct(f"<{number}d") for number in range(65)]  # by how many floats


def float_bytes(floats: list[float]) -> bytes:
    """Return floats as float64, little-endian: as an array does, which for 42 of them takes ten times as long."""
    number = len(floats)
    packer = _STRUCTS[number] if number < len(_STRUCTS) else struct.Struct(f"<{number}d")
    return packer.pack(*floats)


def add_floats(parts: list[bytes], floats: list[float]) -> None:
    """Append floats behind their number."""
    parts.append(varint(len(floats)))
    parts.append(float_bytes(floats))
