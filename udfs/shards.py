"""The shards of the job: each is one of Flink's 128 key groups, and its users' events are folded block by block."""

from __future__ import annotations

import re
import struct

from driftline.errors import SettingError

KEY_GROUPS = 128  # the job's maximum parallelism; part of the state's format

# KEYS[n] is the smallest integer that Flink puts into key group n of 128 when it is the one field of a row key (murmur
# hash of Row.hashCode). tests/flink/test_shards.py compares them with Flink's own KeyGroupRangeAssignment.
# fmt: off
KEYS: tuple[int, ...] = (
    250, 57, 89, 134, 39, 19, 220, 235, 295, 91, 136, 72, 23, 325, 73, 283, 299, 4, 195, 81, 230, 43, 36, 201,
    95, 475, 42, 65, 40, 30, 49, 31, 13, 0, 87, 152, 157, 11, 332, 150, 55, 66, 12, 69, 1, 10, 138, 111, 238,
    121, 362, 214, 348, 15, 194, 41, 16, 14, 137, 191, 116, 32, 37, 457, 22, 60, 53, 272, 47, 275, 212, 50, 239,
    46, 141, 341, 280, 338, 107, 179, 8, 35, 176, 33, 21, 180, 923, 145, 44, 80, 143, 78, 84, 151, 132, 331,
    113, 2, 306, 117, 119, 290, 62, 102, 3, 287, 59, 17, 79, 18, 273, 573, 101, 20, 307, 311, 24, 399, 52, 9,
    29, 265, 114, 172, 25, 6, 67, 85,
)
# fmt: on


def shard_keys(shards: int) -> tuple[int, ...]:
    """Return the keys of so many shards, a power of two up to KEY_GROUPS.

    They hit key groups at even distances, so every parallelism up to `shards` that is a power of two has as many shards
    on each slot, and rescaling moves whole shards.
    """
    return KEYS[:: KEY_GROUPS // shards]


def require_same_shards(stored: int, configured: int) -> None:
    """Refuse restored state that was made with another number of shards: users would be looked for in the wrong one.

    Args:
        stored: the number in the shard's state; 0 from before it was kept there, when it was always KEY_GROUPS.
        configured: the setting.

    Raises:
        SettingError: they differ.
    """
    made_with = stored or KEY_GROUPS
    if made_with != configured:
        message = f"the restored state was made with shards={made_with}; submit with --set shards={made_with}"
        raise SettingError(message)


def shard_of(record_key: bytes | None, shards: int) -> int:
    """The key of the shard that a record belongs to, as the job's SQL finds it (jobs/flink/blocks.py).

    Only readers that look for a record outside Flink need it; the job itself never calls it.
    """
    if record_key is None:
        bucket = 0
    else:
        # Java reads a surrogate that was encoded by itself as one unreadable character, Python as three.
        text = _LONE_SURROGATE.sub(_UNREADABLE, record_key).decode("utf-8", "replace")
        bucket = abs(_java_hash(text)) % shards
    return shard_keys(shards)[bucket]


_LONE_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_UNREADABLE = "\ufffd".encode()


def _java_hash(text: str) -> int:
    """HASH_CODE of a string in Flink's SQL: Java's, over UTF-16, as a signed number of 32 bits."""
    units = text.encode("utf-16-le")
    hashed = 0
    for unit in struct.unpack(f"<{len(units) // 2}H", units):
        hashed = (31 * hashed + unit) & 0xFFFFFFFF
    return hashed - (hashed >> 31 << 32)
