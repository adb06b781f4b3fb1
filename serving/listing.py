"""Where a listing of a segment's members stands: pure, so that tests need no Redis.

Members are listed shard by shard, in each by (since when, id), the order of a sorted set. A position is that of a
member, not a count: whoever comes in or leaves meanwhile moves nobody else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import NamedTuple

import grpc

from serving.requests import Refused
from sink_connectors.score_value import VERSION_BYTES, check_user_id

_TOKEN_CHARACTERS_MAX = 1_024


class Member(NamedTuple):
    """A member of a segment, and since when; in the order of a list by (since_ms, user_id in UTF-8)."""

    since_ms: int
    user_id: bytes


class Position(NamedTuple):
    """Behind which member of which shard to go on. Before the first of a shard, there is no member."""

    shard: int
    last: Member | None = None
    same_ms: int = 0  # how many members with the time of `last` there were up to it

    def command(self, key: str, count: int) -> tuple[str, ...]:
        """The command that reads `count` members behind it; the first is `last` itself, if it is still a member."""
        first = "-inf" if self.last is None else str(self.last.since_ms)
        skipped = max(0, self.same_ms - 1)
        size = count + (self.last is not None)
        return ("ZRANGEBYSCORE", key, first, "+inf", "WITHSCORES", "LIMIT", str(skipped), str(size))

    def is_confirmed(self, found: Sequence[Member]) -> bool:
        """Whether the reply to `command` begins where it should: nobody has left before it."""
        return self.last is None or found[:1] == [self.last]

    def after(self, members: Sequence[Member]) -> Position:
        """The position behind these members, which follow it."""
        if not members:
            return self
        last = members[-1]
        same = sum(member.since_ms == last.since_ms for member in members)
        if self.last is not None and self.last.since_ms == last.since_ms:
            same += self.same_ms
        return Position(self.shard, last, same)

    def encode(self) -> str:
        """A page token."""
        last = [] if self.last is None else [self.last.since_ms, self.same_ms, self.last.user_id.decode()]
        return base64.urlsafe_b64encode(json.dumps([self.shard, *last]).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str, shards: Sequence[int]) -> Position:
        """The inverse of encode. Raises Refused for a token that is none, or of other shards than these."""
        try:
            position = _position(token)
        except (ValueError, TypeError):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the page token is none of this service") from None
        if position.shard not in shards:
            message = "the page token is of another number of shards; list from the beginning"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
        return position


def members_in(reply: Sequence[bytes]) -> list[Member]:
    """The members of a reply of Redis: id and score in turns."""
    ids = iter(reply)
    return [Member(int(float(score)), user_id) for user_id, score in zip(ids, ids, strict=True)]


def shards_in(fields: Sequence[bytes]) -> list[int]:
    """The shards among the fields of the job hash, ascending."""
    return sorted(int(field) for field in fields if field.isdigit())


def places(ranks: Sequence[int], sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Of members counted over lists of these sizes: which list each is in, and its rank there."""
    found: list[tuple[int, int]] = []
    for rank in ranks:
        left = rank
        for number, size in enumerate(sizes):
            if left < size:
                found.append((number, left))
                break
            left -= size
    return found


def has_scores(version: bytes) -> bool:
    """Whether there is a value behind a version that was read: the lists have no time to live."""
    return len(version) >= VERSION_BYTES


def _position(token: str) -> Position:
    if len(token) > _TOKEN_CHARACTERS_MAX:
        raise ValueError
    shard, *rest = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    if not rest:
        return Position(_whole(shard))
    since_ms, same_ms, user_id = rest
    check_user_id(user_id)
    return Position(_whole(shard), Member(_whole(since_ms), user_id.encode()), _whole(same_ms))


def _whole(number: object) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError
    return number
