"""A block as one value of bytes: how records of the lake cross from the operator that reads them to the one that folds.

An array of byte strings would be converted string by string, twice. These bytes live as long as the way takes; they are
in no state, so their form may change with any release.

    number of records, partition: 2 int32
    then, of each record: offset int64 ..., timestamp int64 ..., bytes of the key int32 ..., of the value int32 ...
    keys in a row, then values in a row; those whose number of bytes is ABSENT are null
"""

from __future__ import annotations

import struct
from typing import Final

from udfs.block import Block

ABSENT: Final = -1
HEAD: Final = struct.Struct("<2i")


def unpack_block(packed: bytes) -> Block:
    """Return the block. Raises struct.error where the bytes are none."""
    records, partition = HEAD.unpack_from(packed)
    at = HEAD.size
    offsets = struct.unpack_from(f"<{records}q", packed, at)
    at += 8 * records
    timestamps_ms = struct.unpack_from(f"<{records}q", packed, at)
    at += 8 * records
    key_sizes = struct.unpack_from(f"<{records}i", packed, at)
    at += 4 * records
    value_sizes = struct.unpack_from(f"<{records}i", packed, at)
    at += 4 * records
    keys, at = _texts(packed, at, key_sizes)
    values, _ = _texts(packed, at, value_sizes)
    return Block(keys, values, [partition] * records, offsets, timestamps_ms)


def _texts(packed: bytes, at: int, sizes: tuple[int, ...]) -> tuple[list[bytes | None], int]:
    """Return texts of these sizes that begin at `at`, and where the last one ends."""
    found: list[bytes | None] = []
    for size in sizes:
        if size == ABSENT:
            found.append(None)
            continue
        end = at + size
        found.append(packed[at:end])
        at = end
    return found, at
