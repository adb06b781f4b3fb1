"""What Redis holds for a user, and under which key. Pure: readers and writers share it.

A value is a version of 16 bytes (generation, then accepted events, each 8 bytes big-endian), followed by a serialized
`driftline.serving.v1.UserScores`. The 16 bytes alone are a tombstone: the user was forgotten, and has no scores.

The age of the scores, `age_s`, belongs to the version, too. It is the first field of the message where it is not 0, so
HEAD_BYTES of a value are enough to compare it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

from driftline.limits import ID_BYTES_MAX, NAMESPACE
from driftline.score_message import AGE_BYTES, AGE_TAG, age_of

VERSION_BYTES = 16
HEAD_BYTES = VERSION_BYTES + AGE_BYTES
GENERATION_BYTES = 8  # of them, in front
LIVE_KEY = "driftline:live"
PREVIOUS_KEY = "driftline:previous"  # two parts, as no key of a namespace has
DEFAULT_NAMESPACE = "main"

_VERSION = struct.Struct(">QQ")
_NAMESPACE = re.compile(NAMESPACE)


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


def encode_values(generation: int, scored: Iterable[tuple[str, int, bytes | None]]) -> list[tuple[str, bytes]]:
    """The values of many users, each with its user's id, of (user id, accepted events, scores or None to forget)."""
    return [(user_id, encode_value(generation, accepted, scores or b"")) for user_id, accepted, scores in scored]


def decode_value(value: bytes) -> StoredScores:
    """The inverse of encode_value. Raises ValueError on a value that is too short to have a version."""
    if len(value) < VERSION_BYTES:
        message = f"a stored value has {len(value)} bytes; its version alone takes {VERSION_BYTES}"
        raise ValueError(message)
    generation, accepted_events = _VERSION.unpack_from(value)
    return StoredScores(generation, accepted_events, value[VERSION_BYTES:])


def version_of(value: bytes) -> bytes:
    """What a value, or its first HEAD_BYTES, has for a version: bytes that sort as the writes did.

    Of a value with an age the 16 bytes and the age (4 bytes big-endian), of others the 16 bytes. Empty for no value.
    """
    if not value.startswith(AGE_TAG, VERSION_BYTES):  # as mostly, and cheap
        return value[:VERSION_BYTES]
    age_s = age_of(value[VERSION_BYTES:HEAD_BYTES])
    return value[:VERSION_BYTES] + age_s.to_bytes(4, "big") if age_s else value[:VERSION_BYTES]


def is_newer(value: bytes, stored: bytes) -> bool:
    """Whether a value is written over a stored one, as write_scores.lua has it; empty: nothing is stored.

    Bytes of equal length compare like the big-endian numbers that they hold. A tombstone is outranked by no age.
    """
    if len(stored) == VERSION_BYTES:
        return value[:VERSION_BYTES] > stored
    return version_of(value) > version_of(stored)


def check_user_id(user_id: str) -> None:
    """Raise ValueError unless the id has 1 to 128 bytes in UTF-8."""
    try:
        size = len(user_id.encode())
    except UnicodeEncodeError:
        message = "a user id must be valid Unicode"
        raise ValueError(message) from None
    if not 1 <= size <= ID_BYTES_MAX:
        message = f"a user id must have 1 to {ID_BYTES_MAX} bytes in UTF-8, not {size}"
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


def user_keys(namespace: str, user_ids: Iterable[str]) -> list[str]:
    """The keys of many users; as user_key, in half the time."""
    prefix = user_key_prefix(namespace)
    return [f"{prefix}{user_id}}}" for user_id in user_ids]


def progress_key(namespace: str) -> str:
    """The key of the hash that holds each shard's counters."""
    return f"driftline:{namespace}:progress"


def job_key(namespace: str) -> str:
    """The key of the hash that holds what is known of the jobs that wrote the namespace."""
    return f"driftline:{namespace}:job"


def catalogue_key(namespace: str) -> str:
    """The key of what is served of the namespace, by name (`driftline.catalogue_message`)."""
    return f"driftline:{namespace}:catalogue"


def heal_key(namespace: str) -> str:
    """The key of the hash that holds how far `driftline heal` has read the late topic."""
    return f"driftline:{namespace}:heal"


def offsets_key(namespace: str) -> str:
    """The key of the hash that holds how far each shard has read its topic, a field a shard."""
    return f"driftline:{namespace}:offsets"


def replay_key(namespace: str) -> str:
    """The key of what a replay into the namespace was asked for, and how far it has come: JSON of the command's."""
    return f"driftline:{namespace}:replay"


def hold_key(namespace: str) -> str:
    """The key that, while it is there, lets no write into the namespace begin (hold.py)."""
    return f"driftline:{namespace}:hold"


def submission_key(namespace: str) -> str:
    """The key of the lock that a submission holds."""
    return f"driftline:{namespace}:submission"
