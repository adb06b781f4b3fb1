"""What Redis holds for a user, and under which key. Pure: readers and writers share it.

A value is a version of 16 bytes (generation, then accepted events, each 8 bytes big-endian), followed by a serialized
`driftline.serving.v1.UserScores`. The 16 bytes alone are a tombstone: the user was forgotten, and has no scores.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

VERSION_BYTES = 16
USER_ID_BYTES_MAX = 128
LIVE_KEY = "driftline:live"
DEFAULT_NAMESPACE = "main"

_VERSION = struct.Struct(">QQ")
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class StoredScores(NamedTuple):
    """A decoded value. `scores` is a serialized UserScores; empty where the user was forgotten."""

    generation: int
    accepted_events: int
    scores: bytes

    @property
    def is_tombstone(self) -> bool:
        """Whether the user was forgotten; to a reader that is a user without scores."""
        return not self.scores


def encode_value(generation: int, accepted_events: int, scores: bytes) -> bytes:
    """The value of one user. Both numbers are within 0 and 2^64 - 1, else struct.error; no scores make a tombstone."""
    return _VERSION.pack(generation, accepted_events) + scores


def decode_value(value: bytes) -> StoredScores:
    """The inverse of encode_value. Raises ValueError on a value that is too short to have a version."""
    if len(value) < VERSION_BYTES:
        message = f"a stored value has {len(value)} bytes; its version alone takes {VERSION_BYTES}"
        raise ValueError(message)
    generation, accepted_events = _VERSION.unpack_from(value)
    return StoredScores(generation, accepted_events, value[VERSION_BYTES:])


def check_user_id(user_id: str) -> None:
    """Raise ValueError unless the id has 1 to 128 bytes in UTF-8."""
    try:
        size = len(user_id.encode())
    except UnicodeEncodeError:
        message = "a user id must be valid Unicode"
        raise ValueError(message) from None
    if not 1 <= size <= USER_ID_BYTES_MAX:
        message = f"a user id must have 1 to {USER_ID_BYTES_MAX} bytes in UTF-8, not {size}"
        raise ValueError(message)


def check_namespace(namespace: str) -> None:
    """Raise ValueError unless the name is safe within keys and SCAN patterns: letters, digits, `_`, `.` and `-`."""
    if not _NAMESPACE.fullmatch(namespace):
        message = f"a namespace must have 1 to 64 letters, digits, '_', '.' or '-', not {namespace!r}"
        raise ValueError(message)


def user_key_prefix(namespace: str) -> str:
    """What the keys of all users of a namespace begin with; they end with a brace."""
    return f"driftline:{namespace}:{{"


def user_key(namespace: str, user_id: str) -> str:
    """The key of a user's value; the braces keep all keys of one user on one node of a cluster."""
    return f"{user_key_prefix(namespace)}{user_id}}}"


def progress_key(namespace: str) -> str:
    """The key of the hash that holds each shard's counters."""
    return f"driftline:{namespace}:progress"
