"""The bytes of a tail: its chunks. Part of the state's format.

A byte that is the version of this format, 1, and how many chunks there are (a varint), at least one, oldest first. Each
is the packed profile before it (udfs/packed_profile.py) and its rows (udfs/packed_events.py), behind their sizes; how
many events it has; and the event time of the first one in milliseconds, and how much later the last one is. Numbers and
sizes are varints.
"""

from __future__ import annotations

from typing import Final

from driftline.wire import varint
from udfs.packed import Cursor, add_content
from udfs.packed_profile import UnknownPackedError
from udfs.tail import Chunk

_VERSION: Final = b"\x01"


def pack_chunks(chunks: list[Chunk]) -> bytes:
    """Return the bytes of chunks."""
    parts = [_VERSION, varint(len(chunks))]
    for chunk in chunks:
        add_content(parts, chunk.before)
        add_content(parts, chunk.rows)
        parts += (varint(chunk.events), varint(chunk.first_ms), varint(chunk.last_ms - chunk.first_ms))
    return b"".join(parts)


def unpack_chunks(packed: bytes) -> list[Chunk]:
    """Return the chunks of bytes that `pack_chunks` of this release or an older one wrote.

    Raises:
        UnknownPackedError: a newer release wrote them.
    """
    if packed[:1] != _VERSION:
        message = f"a tail's bytes have version {packed[0]}; this release reads {_VERSION[0]}"
        raise UnknownPackedError(message)
    cursor = Cursor(packed, 1)
    chunks: list[Chunk] = []
    for _ in range(cursor.number()):
        before, rows = cursor.content(), cursor.content()
        events, first_ms = cursor.number(), cursor.number()
        chunks.append(Chunk(before, rows, events, first_ms, first_ms + cursor.number()))
    return chunks
