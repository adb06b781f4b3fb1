"""Oversized records: the query that packs blocks replaces their bytes by their sizes.

The broker bounds the size of compressed batches, so a decompressed record can have any size. The bytes of an oversized
one must not leave the source: they would be held in a window, cross into Python and go into a dead letter that the
producer refuses, and the job would fail at the same offset again and again.
"""

from __future__ import annotations

from typing import Final

# A valid key is a user's id of at most 128 bytes. An invalid one is kept in its dead letter up to this size.
KEY_BYTES_MAX: Final = 4_096
# Counting a size copies the bytes, so counting stops here.
SIZE_COUNTED_MAX: Final = 16 * 1024 * 1024
# A marker replaces the value of an oversized record. It begins with a byte that neither protobuf (there is no field 0)
# nor JSON can begin with, so it is only looked for where decoding has failed. If a producer sends such a value itself,
# nothing is lost: the message of the dead letter has both numbers.
MARKER: Final = b"\x00"
_MARKER_BYTES_MAX: Final = 32


def kept_bytes(key: bytes | None, value: bytes | None, *, too_large: bool) -> tuple[bytes | None, bytes | None]:
    """Return the key and value that a dead letter keeps of its record; `too_large` if that is its reason."""
    if key is not None and len(key) > KEY_BYTES_MAX:  # it is from a window that an older release filled
        key = None
    return key, None if too_large else value


def marked_sizes(value: bytes, event_bytes_max: int) -> tuple[int, int] | None:
    """Return the sizes of value and key in a marker; None for any other value."""
    if not value.startswith(MARKER):
        return None
    value_size, space, key_size = value[1:].partition(b" ")
    if not (space and value_size.isdigit() and key_size.isdigit() and len(value) <= _MARKER_BYTES_MAX):
        return None
    sizes = int(value_size), int(key_size)
    return sizes if sizes[0] > event_bytes_max or sizes[1] > KEY_BYTES_MAX else None


def explain(value_size: int, key_size: int, event_bytes_max: int) -> str:
    """Return the message of the dead letter."""
    if value_size > event_bytes_max:
        return f"{_counted(value_size)}; the bound is {event_bytes_max}; read the record at its offset"
    return f"the key has {_counted(key_size)}; the bound is {KEY_BYTES_MAX}; read the record at its offset"


def _counted(size: int) -> str:
    return f"{size} bytes" + (" or more" if size >= SIZE_COUNTED_MAX else "")
