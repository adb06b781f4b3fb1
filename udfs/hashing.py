"""Hashes of texts: of event ids, part of the state's format, and of what is published."""

from __future__ import annotations

from xxhash import xxh3_64_digest, xxh3_64_intdigest, xxh3_128_digest, xxh3_128_hexdigest


def id_hash(text: str) -> bytes:
    """Return the 64-bit xxh3 hash of the text's UTF-8 bytes: 8 bytes, big-endian."""
    return xxh3_64_digest(text.encode())


def hash64(text: str) -> int:
    """Return the same hash as a number."""
    return xxh3_64_intdigest(text.encode())


def hash128(text: str) -> str:
    """Return the 128-bit xxh3 hash of the text's UTF-8 bytes: 32 hexadecimal digits."""
    return xxh3_128_hexdigest(text.encode())


def bytes_hash(content: bytes) -> bytes:
    """Return the 128-bit xxh3 hash of bytes: 16 bytes, big-endian."""
    return xxh3_128_digest(content)
