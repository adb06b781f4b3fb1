"""The one hash of event ids; part of the state's format."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest


def hash64(text: str) -> int:
    """Return the 64-bit xxh3 hash of the text's UTF-8 bytes, unsigned."""
    return xxh3_64_intdigest(text.encode())
