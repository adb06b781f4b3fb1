"""Records that are too large to travel: the query that packs blocks leaves their sizes in the place of their bytes.

A record can be any size once it is decompressed, whatever the broker's bound, which is for compressed batches. So no
bytes of an oversized one leave the source: they would be held in a window, cross into Python and go into a dead letter
that the producer refuses, and the job would fail at the same offset again and again.
"""

from __future__ import annotations

from typing import Final

# A key is a user's id, so at most 128 bytes where it is right. Wrong ones up to here are kept in their dead letter.
KEY_BYTES_MAX: Final = 4_096
# Sizes are counted up to here, because counting copies the bytes.
SIZE_COUNTED_MAX: Final = 16 * 1024 * 1024
# What stands for an oversized record's value begins with a byte that neither protobuf (there is no field 0) nor JSON
# can begin with, so a marker is only looked for where decoding has failed. A producer who sends one loses nothing: the
# dead letter's message has all that is in it.
MARKER: Final = b"\x00"
_MARKER_BYTES_MAX: Final = 32


def travelling(key: bytes | None, value: bytes | None, *, too_large: bool) -> tuple[bytes | None, bytes | None]:
    """Return what of a rejected record's key and value goes into its dead letter; `too_large` is the reason."""
    if key is not None and len(key) > KEY_BYTES_MAX:  # from a window that an older release filled
        key = None
    return key, None if too_large else value


def marked_sizes(value: bytes, event_bytes_max: int) -> tuple[int, int] | None:
    """Return the sizes of value and key that a marker stands for; None for any other value."""
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
