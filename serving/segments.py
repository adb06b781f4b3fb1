"""Reads segments for the server: which there are, how many members they have, and who they are."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc

from driftline.limits import DECLARED_NAME, LISTED_MEMBERS_MAX
from driftline.serving.v1 import score_service_pb2 as pb
from serving.listing import Member, Position, has_scores, members_in, places, shards_in
from serving.reader import ScoreReader
from serving.requests import Refused
from sink_connectors.score_value import job_key
from sink_connectors.segment_lists import EPOCH, segment_key, segments_key

_NAME = re.compile(DECLARED_NAME)


class Count(NamedTuple):
    """A segment: how many members it has, and as what it is declared."""

    name: str
    members: int
    definition: str


@dataclass(frozen=True)
class Page:
    """Some members, and the token to go on with; empty behind the last one."""

    members: list[Member]
    next_token: str = ""


def members_response(page: Page) -> bytes:
    """A serialized ListSegmentMembersResponse."""
    members = [pb.SegmentMember(user_id=one.user_id.decode(), since_ms=one.since_ms) for one in page.members]
    return pb.ListSegmentMembersResponse(members=members, next_page_token=page.next_token).SerializeToString()


class _Lists(NamedTuple):
    """The lists of one segment."""

    namespace: str
    segment: str
    shards: list[int]

    def key(self, shard: int) -> str:
        return segment_key(self.namespace, self.segment, shard)


class SegmentReader:
    """Reads the lists of members. Every method raises StoreUnavailable during an outage: lists are never stale."""

    def __init__(self, reader: ScoreReader) -> None:
        self._reader = reader

    async def counts(self, namespace: str | None) -> list[Count]:
        """The declared segments, by name."""
        chosen = await self._reader.resolved(namespace)
        declared, fields = await self._reader.ask([("HGETALL", segments_key(chosen)), ("HKEYS", job_key(chosen))])
        pairs = iter([text.decode() for text in declared])
        definitions = sorted((name, text) for name, text in zip(pairs, pairs, strict=True) if name != EPOCH)
        shards = shards_in(fields)
        commands = [("ZCARD", segment_key(chosen, name, shard)) for name, _ in definitions for shard in shards]
        sizes = iter(await self._reader.ask(commands))
        return [Count(name, sum(next(sizes) for _ in shards), text) for name, text in definitions]

    async def pages(
        self, namespace: str | None, segment: str, token: str, *, page_size: int, limit: int
    ) -> AsyncIterator[Page]:
        """The members behind the token, at most `limit` of them (0: all); the last page alone may be empty.

        Raises:
            Refused: the segment is not declared, or the token is none.
        """
        lists = await self._lists(namespace, segment)
        left = limit
        position: Position | None = Position(lists.shards[0]) if lists.shards else None
        if token:
            position = Position.decode(token, lists.shards)
        while position is not None:
            members, position = await self._page(lists, position, min(page_size, left) if limit else page_size)
            page = Page(await self._with_scores(lists, members), "" if position is None else position.encode())
            left -= len(page.members)
            if page.members or position is None:
                yield page
            if limit and left <= 0:
                return
        if not lists.shards:
            yield Page([])

    async def sample(self, namespace: str | None, segment: str, count: int) -> Page:
        """So many members at random, or all where there are no more. Raises Refused where it is not declared."""
        lists = await self._lists(namespace, segment)
        sizes = await self._reader.ask([("ZCARD", lists.key(shard)) for shard in lists.shards])
        ranks = random.sample(range(sum(sizes)), min(count, sum(sizes)))
        found = [(lists.key(lists.shards[number]), str(rank)) for number, rank in places(ranks, sizes)]
        replies = await self._reader.ask([("ZRANGE", key, rank, rank, "WITHSCORES") for key, rank in found])
        members = dict.fromkeys(member for reply in replies for member in members_in(reply))
        return Page(await self._with_scores(lists, list(members)))

    async def _lists(self, namespace: str | None, segment: str) -> _Lists:
        if not _NAME.fullmatch(segment):
            message = "a segment's name must have 1 to 64 lower-case letters, digits and '_', a letter first"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
        chosen = await self._reader.resolved(namespace)
        commands = [("HGET", segments_key(chosen), segment), ("HKEYS", job_key(chosen))]
        definition, fields = await self._reader.ask(commands)
        if definition is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"the segment {segment} is not declared")
        return _Lists(chosen, segment, shards_in(fields))

    async def _page(self, lists: _Lists, position: Position, size: int) -> tuple[list[Member], Position | None]:
        """Up to `size` members, over as many shards as it takes, and the position behind them; None at the end."""
        members: list[Member] = []
        at = position
        while True:
            missing = size - len(members)
            found, at = await self._behind(lists, at, missing)
            members += found
            if len(found) >= missing:
                return members, at
            later = [shard for shard in lists.shards if shard > at.shard]
            if not later:
                return members, None
            at = Position(later[0])

    async def _behind(self, lists: _Lists, position: Position, count: int) -> tuple[list[Member], Position]:
        """The next members of the shard, `count` or fewer if there are no more, and the position behind them."""
        found = await self._range(lists, position, count)
        if position.is_confirmed(found):
            found = found[position.last is not None :]
            return found, position.after(found)
        # Somebody has left who came in at the same time: look at all who did, from the first.
        last = position.last
        assert last is not None  # noqa: S101
        number, same_ms, behind = 0, 0, list[Member]()
        while len(behind) < count:
            found = await self._range(lists, Position(position.shard, last, number + 1), LISTED_MEMBERS_MAX)
            behind += [member for member in found if member > last]
            same_ms += sum(member.since_ms == last.since_ms and member <= last for member in found)
            number += len(found)
            if len(found) <= LISTED_MEMBERS_MAX:
                break
        return behind[:count], position._replace(same_ms=same_ms).after(behind[:count])

    async def _range(self, lists: _Lists, position: Position, count: int) -> list[Member]:
        (reply,) = await self._reader.ask([position.command(lists.key(position.shard), count)])
        return members_in(reply)

    async def _with_scores(self, lists: _Lists, members: Sequence[Member]) -> list[Member]:
        """Without those whose scores have expired, whom the job has not cleared away yet."""
        user_ids = [member.user_id.decode() for member in members]
        versions: list[Any] = (
            await self._reader.versions(user_ids, [lists.namespace] * len(user_ids)) if user_ids else []
        )
        return [member for member, version in zip(members, versions, strict=True) if has_scores(version)]
