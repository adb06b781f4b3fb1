"""The text of a file of events, however it was packed: by content, never by name."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from driftline.errors import InputError
from driftline.topics import EVENT_BYTES_MAX
from driftline.units import MIB

DOCUMENT_BYTES_MAX = EVENT_BYTES_MAX - MIB  # of one event; the rest is for its key and the request to Kafka
TOO_LONG = f"is longer than {DOCUMENT_BYTES_MAX:,} bytes, the most an event may have"
PIECE_BYTES = 8 * 1024  # read at a time; unpacked, a few bytes can become much
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"
_HEAD_BYTES = 4
_REFUSED = {
    b"\xff\xfe": "is UTF-16 or UTF-32; write it as UTF-8, for example with iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "is UTF-16; write it as UTF-8, for example with iconv -f UTF-16 -t UTF-8",
    b"PK\x03\x04": "is a zip archive; unpack it, or compress it with gzip or zstd",
    b"BZh": "is compressed with bzip2; use gzip or zstd",
    b"\xfd7zX": "is compressed with xz; use gzip or zstd",
    b"PAR1": "is Parquet; write JSON lines, or CSV for a mapping",
    b"Obj\x01": "is Avro; write JSON lines, or CSV for a mapping",
    _GZIP: "is compressed twice",
    _ZSTD: "is compressed twice",
    b"\x00": "is UTF-16, UTF-32 or binary; write it as UTF-8",
}

Text: TypeAlias = "io.BufferedReader[Any]"


class Document(NamedTuple):
    """One event as it was written, and where: `unit` and `number` are like line 3."""

    unit: str
    number: int
    data: bytes


class FileError(InputError):
    """A file is of another kind, or damaged; the message is to follow its name."""


class _Rejoined(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)]
        if data:
            self._head = self._head[len(data) :]
        else:
            data = self._rest.read1(len(buffer))  # type: ignore[attr-defined]  # what there is, without waiting for more
        buffer[: len(data)] = data
        return len(data)


class _Unpacked(io.RawIOBase):
    """Compressed members, one after the other; `begin` makes what unpacks one."""

    def __init__(self, packed: BinaryIO, begin: Callable[[], Any], errors: type[Exception], what: str) -> None:
        self._packed = packed
        self._begin = begin
        self._errors = errors
        self._what = what
        self._member: Any = None
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = self._packed.read1(PIECE_BYTES)  # type: ignore[attr-defined]
            if not piece:
                if self._member is not None:
                    message = f"ends in the middle of its {self._what} data: it was cut off"
                    raise FileError(message)
                return 0
            self._unpack(piece)
        data = self._ready[: len(buffer)]
        self._ready = self._ready[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def _unpack(self, piece: bytes) -> None:
        parts = []
        while piece:
            if self._member is None:
                piece = piece.lstrip(b"\0")  # padding between members
                if not piece:
                    break
                self._member = self._begin()
            try:
                parts.append(self._member.decompress(piece))
            except self._errors:
                message = f"has damaged {self._what} data"
                raise FileError(message) from None
            piece = b""
            if self._member.eof:
                piece = self._member.unused_data
                self._member = None
        self._ready = b"".join(parts)


def text_of(source: BinaryIO) -> Text:
    """The text of a file in UTF-8: unpacked, without byte order mark.

    Raises:
        FileError: the file is of another kind, which its message names.
    """
    head = source.read(_HEAD_BYTES)
    text: Text = io.BufferedReader(_Rejoined(head, source))
    packed = head.startswith((_GZIP, _ZSTD))
    if head.startswith(_GZIP):
        text = io.BufferedReader(_Unpacked(text, lambda: zlib.decompressobj(31), zlib.error, "gzip"))
    elif head.startswith(_ZSTD):
        text = io.BufferedReader(_zstd(text))
    if packed:
        head = text.read(_HEAD_BYTES)
        text = io.BufferedReader(_Rejoined(head, text))
    for beginning, why in _REFUSED.items():
        if head.startswith(beginning) or (beginning == b"\x00" and b"\x00" in head):
            raise FileError(why)
    if head.startswith(_BOM):
        text.read(len(_BOM))
    return text


def _zstd(packed: BinaryIO) -> _Unpacked:
    try:
        import zstandard  # noqa: PLC0415  (for such a file only)
    except ImportError:
        message = "is compressed with zstd: install the package zstandard, or unpack it"
        raise FileError(message) from None
    begin = zstandard.ZstdDecompressor().decompressobj
    return _Unpacked(packed, begin, zstandard.ZstdError, "zstd")


def first_byte_of(text: Text) -> tuple[bytes, Text]:
    """The first byte of a text that is not blank, and the text as it was."""
    head = b""
    while not head.strip() and len(head) < PIECE_BYTES and (piece := text.read1(PIECE_BYTES)):
        head += piece
    return head.lstrip()[:1], io.BufferedReader(_Rejoined(head, text))
