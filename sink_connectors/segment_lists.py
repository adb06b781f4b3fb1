"""The lists of a segment's members in Redis: a sorted set for each segment and shard, by the time since when.

With each value goes a row: what its user is a member of, and in front a digest, with which the stored value ends, too.
Where the value before has the same digest, the lists are right, and nothing is done. Otherwise all lists of the shard
are made to say what the row says. A difference from the job's step before would not be enough: after a crash a replay
may take other steps than the first time.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple, cast

import redis
from xxhash import xxh3_64_digest

from driftline.serving.v1.scores_pb2 import UserScores
from driftline.wire import varint
from sink_connectors.score_value import VERSION_BYTES, job_key

SWEEP_S = 1.0  # between two looks, of a shard, for members whose scores have expired
SWEPT = 200  # members a look, about

_DECLARE = files("sink_connectors").joinpath("declare_segments.lua").read_text()
EPOCH = ":epoch"  # a field beside the segments, which have no colon
_DIGEST_TAG = varint(UserScores.LISTS_DIGEST_FIELD_NUMBER << 3 | 1)  # 1: a value of eight bytes
_DIGEST_BYTES = 8


class SegmentWrite(NamedTuple):
    """The memberships that go with a write of scores."""

    shard: int
    segments: Sequence[str]  # all that are declared
    rows: Sequence[bytes]  # one a value

    def part(self, start: int, end: int) -> SegmentWrite:
        """Those of some of the values."""
        return self._replace(rows=self.rows[start:end])


class Rows:
    """Encodes the rows of one job's writes.

    Args:
        generation: of the shard; users of another number of shards, in other lists, have another one.
        segments: the names of the declared segments.
        epoch: what declaring them has returned.
    """

    def __init__(self, generation: int, segments: Sequence[str], epoch: int) -> None:
        self._context = f"{generation} {epoch} {' '.join(segments)}".encode()
        self._times = struct.Struct(f">{len(segments)}d")

    def encode(self, since_ms: Sequence[int]) -> bytes:
        """The row of one user: since when they are a member, one for each segment; -1 where not."""
        times = self._times.pack(*since_ms)
        return xxh3_64_digest(self._context + times) + times


def decode_row(row: bytes) -> list[int]:
    """Since when the user is a member, as Rows.encode has it."""
    times = row[_DIGEST_BYTES:]
    return [int(since_ms) for since_ms in struct.unpack(f">{len(times) // 8}d", times)]


def with_digest(value: bytes, row: bytes) -> bytes:
    """The value of a user as it is stored beside the lists: with the digest of the row, unless it is a tombstone."""
    return value if len(value) <= VERSION_BYTES else value + _DIGEST_TAG + row[:_DIGEST_BYTES]


def segment_prefix(namespace: str) -> str:
    """What the keys of all lists of a namespace begin with."""
    return f"driftline:{namespace}:segment:"


def segment_key(namespace: str, segment: str, shard: int) -> str:
    """The key of the list of a segment's members in a shard."""
    return f"{segment_prefix(namespace)}{segment}:{shard}"


def segments_key(namespace: str) -> str:
    """The key of the hash of the segments that are declared: the hash of each definition, by name."""
    return f"driftline:{namespace}:segments"


def declare(client: redis.Redis, namespace: str, definitions: Mapping[str, str]) -> int:
    """Make these the declared segments; the lists of others are deleted.

    Returns:
        How often the set of names has changed.
    """
    keys = segments_key(namespace), job_key(namespace)
    named = [part for pair in definitions.items() for part in pair]
    reply = client.eval(_DECLARE, len(keys), *keys, segment_prefix(namespace), *named)
    return cast("int", reply)


def declared(client: redis.Redis, namespace: str) -> dict[str, str]:
    """The declared segments: the hash of each definition by name."""
    reply = cast("dict[bytes, bytes]", client.hgetall(segments_key(namespace)))
    return {name.decode(): text.decode() for name, text in sorted(reply.items()) if name != EPOCH.encode()}


class Sweeps:
    """Where the search for members whose scores have expired goes on, by shard. A list has no time to live.

    A shard is written by one thread, so threads share it without a lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: dict[int, tuple[int, bytes, float]] = {}  # segment, cursor, when to look again

    def next(self, shard: int, segments: int) -> tuple[int, bytes]:
        """Which segment to look at (1 is the first, 0: none now) and the cursor."""
        segment, cursor, at_s = self._at.get(shard, (0, b"0", 0.0))
        if self._clock() < at_s:
            return 0, b""
        return (segment + 1, cursor) if segment < segments else (1, b"0")

    def looked(self, shard: int, segment: int, segments: int, cursor: bytes) -> None:
        """Note how far a look at a segment (1 is the first) came."""
        at = segment - 1 if cursor != b"0" else segment % segments
        self._at[shard] = (at, cursor, self._clock() + SWEEP_S)


def script_arguments(
    write: SegmentWrite | None, namespace: str, sweep: tuple[int, bytes]
) -> tuple[list[str], list[Any]]:
    """The keys that write_scores.lua gets for a write, and the arguments in front of the values."""
    if write is None:
        return [], ["0", "0", b"", str(SWEPT)]
    keys = [segment_key(namespace, segment, write.shard) for segment in write.segments]
    return keys, [str(len(keys)), str(sweep[0]), sweep[1], str(SWEPT)]
