"""The shards of the job: groups of users whose events are folded together, each in one of Flink's 128 key groups."""

from __future__ import annotations

import re
import struct
from typing import Final

from driftline.errors import SettingError

KEY_GROUPS: Final = 128  # the job's maximum parallelism; part of the state's format

_ROW_HASH: Final = 62  # Row.hashCode of a row whose one field is the integer 0; the integer is added to it
_32_BITS: Final = 0xFFFFFFFF


def _key_group(key: int) -> int:
    """Return the key group that Flink puts a row into whose one field is this integer.

    MurmurHash3 of the row's 32-bit hash, as org.apache.flink.util.MathUtils has it (its sign dropped), modulo the
    number of groups.
    """
    code = (_ROW_HASH + key) * 0xCC9E2D51 & _32_BITS
    code = (code << 15 | code >> 17) * 0x1B873593 & _32_BITS
    code = (code << 13 | code >> 19) & _32_BITS
    code = code * 5 + 0xE6546B64 & _32_BITS ^ 4  # its length in bytes
    code = (code ^ code >> 16) * 0x85EBCA6B & _32_BITS
    code = (code ^ code >> 13) * 0xC2B2AE35 & _32_BITS
    code ^= code >> 16
    return abs(code - (code >> 31 << 32)) % KEY_GROUPS


def _smallest_keys() -> tuple[int, ...]:
    found: dict[int, int] = {}
    key = 0
    while len(found) < KEY_GROUPS:
        found.setdefault(_key_group(key), key)
        key += 1
    return tuple(found[group] for group in range(KEY_GROUPS))


# KEYS[n] is the smallest integer that Flink puts into key group n: tests/flink/test_shards.py asks Flink's own
# KeyGroupRangeAssignment.
KEYS: Final = _smallest_keys()


def shard_keys(shards: int) -> tuple[int, ...]:
    """Return the keys of this number of shards, a power of two up to KEY_GROUPS.

    Their key groups are evenly spaced, so at every parallelism that is a power of two up to `shards`, each slot has the
    same number of shards, and rescaling moves whole shards.
    """
    return KEYS[:: KEY_GROUPS // shards]


def require_same_shards(stored: int, configured: int) -> None:
    """Refuse restored state of another number of shards: users would be looked up in the wrong shard.

    Args:
        stored: the number in the shard's state; 0 if an early release wrote it, which always had KEY_GROUPS.
        configured: the setting.

    Raises:
        SettingError: they differ.
    """
    made_with = stored or KEY_GROUPS
    if made_with != configured:
        message = f"the restored state was made with shards={made_with}; submit with --set shards={made_with}"
        raise SettingError(message)


def shard_of(record_key: bytes | None, shards: int) -> int:
    """Return the key of the shard that a record belongs to, as the job's SQL computes it (jobs/flink/blocks.py).

    For readers outside Flink; the job itself never calls it.
    """
    if record_key is None:
        bucket = 0
    else:
        # Java decodes a lone surrogate to one replacement character, Python to three.
        text = _LONE_SURROGATE.sub(_REPLACEMENT, record_key).decode("utf-8", "replace")
        bucket = abs(_java_hash(text)) % shards
    return shard_keys(shards)[bucket]


_LONE_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\ufffd".encode()


def _java_hash(text: str) -> int:
    """HASH_CODE of a string in Flink's SQL: Java's, over UTF-16, as a signed number of 32 bits."""
    units = text.encode("utf-16-le")
    hashed = 0
    for unit in struct.unpack(f"<{len(units) // 2}H", units):
        hashed = (31 * hashed + unit) & 0xFFFFFFFF
    return hashed - (hashed >> 31 << 32)
