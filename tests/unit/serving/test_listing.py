"""Positions of a listing of members: pages over a list that changes between two of them, and page tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.listing import Member, Position, has_scores, members_in, places, shards_in
from serving.requests import Refused
from serving.segments import SegmentReader

SHARDS = (3, 5, 8)


class FakeReader:
    """Sorted sets in memory, with the face of ScoreReader."""

    def __init__(self, lists: dict[int, dict[str, int]]) -> None:
        self.lists = lists
        self.asked = 0

    async def resolved(self, _namespace: str | None) -> str:
        return "main"

    async def ask(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        return [self._reply(*command) for command in commands]

    async def versions(self, user_ids: Sequence[str], _namespaces: Sequence[str | None]) -> list[bytes]:
        return [b"" if user_id.startswith("gone") else bytes(16) for user_id in user_ids]

    def _reply(self, name: str, key: str, *rest: str) -> Any:
        self.asked += 1
        if name == "HGET":
            return b"d" if rest[0] == "fans" else None
        if name == "HKEYS":
            return [b"shards", b"jobs", *[str(shard).encode() for shard in self.lists]]
        listed = sorted(self.lists[int(key.rpartition(":")[2])].items(), key=lambda one: (one[1], one[0].encode()))
        if name == "ZCARD":
            return len(listed)
        if name == "ZRANGE":
            return _flat(listed[int(rest[0]) : int(rest[1]) + 1])
        assert name == "ZRANGEBYSCORE"
        least = -1 if rest[0] == "-inf" else int(rest[0])
        skipped, size = map(int, rest[-2:])
        return _flat([one for one in listed if one[1] >= least][skipped : skipped + size])


def _flat(listed: Sequence[tuple[str, int]]) -> list[bytes]:
    return [part for user_id, ms in listed for part in (user_id.encode(), str(ms).encode())]


IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=3)
LISTS = st.fixed_dictionaries({shard: st.dictionaries(IDS, st.integers(0, 3), max_size=12) for shard in SHARDS})


async def listed(reader: FakeReader, page_size: int, changes: Sequence[Any] = ()) -> list[tuple[int, str]]:
    """All members page by page, each page with the token of the one before, as a caller who comes back does."""
    segments, token, found = SegmentReader(reader), "", []  # type: ignore[arg-type]
    pending = list(changes)
    while True:
        async for page in segments.pages(None, "fans", token, page_size=page_size, limit=page_size):
            found += [(one.since_ms, one.user_id.decode()) for one in page.members]
            token = page.next_token
        if not token:
            return found
        if pending:
            pending.pop(0)()


@given(LISTS, st.integers(1, 7))
def test_every_member_comes_once_in_order_whatever_the_page(lists: dict[int, dict[str, int]], page_size: int) -> None:
    expected = [
        (ms, user_id)
        for shard in SHARDS
        for user_id, ms in sorted(lists[shard].items(), key=lambda one: (one[1], one[0].encode()))
        if not user_id.startswith("gone")
    ]
    assert asyncio.run(listed(FakeReader(lists), page_size)) == expected


@given(st.data(), LISTS, st.integers(1, 5))
def test_who_stays_comes_once_whoever_comes_and_goes_between_pages(
    data: st.DataObject, lists: dict[int, dict[str, int]], page_size: int
) -> None:
    reader = FakeReader({shard: dict(members) for shard, members in lists.items()})
    everybody = [(shard, user_id) for shard in SHARDS for user_id in lists[shard]]
    leaving = data.draw(st.lists(st.sampled_from(everybody), unique=True, max_size=8)) if everybody else []
    coming = data.draw(st.lists(st.tuples(st.sampled_from(SHARDS), IDS, st.integers(0, 3)), max_size=5))
    coming = [one for one in coming if one[1] not in lists[one[0]]]

    def leave(shard: int, user_id: str) -> None:
        reader.lists[shard].pop(user_id, None)

    def come(shard: int, user_id: str, ms: int) -> None:
        reader.lists[shard].setdefault(user_id, ms)

    changes: list[Any] = [lambda one=one: leave(*one) for one in leaving]
    changes += [lambda one=one: come(*one) for one in coming]
    found = asyncio.run(listed(reader, page_size, data.draw(st.permutations(changes))))
    by_shard_and_id = {(ms, user_id) for shard in SHARDS for user_id, ms in lists[shard].items()}
    staying = [
        (lists[shard][user_id], user_id)
        for shard, user_id in everybody
        if (shard, user_id) not in leaving and not user_id.startswith("gone")
    ]
    for member in set(staying):
        assert found.count(member) >= staying.count(member)
    for member in set(found):  # nobody twice: as often as there are lists with such a member
        there = sum((lists[shard].get(member[1]) == member[0]) for shard in SHARDS)
        there += sum(one[1:] == (member[1], member[0]) for one in coming)
        assert found.count(member) <= there
    assert by_shard_and_id >= set(staying)


def test_expired_users_are_left_out_and_pages_are_filled_by_others() -> None:
    lists = {3: {"gone1": 1, "a": 2, "gone2": 3, "b": 4}, 5: {}, 8: {"gone3": 1}}
    assert asyncio.run(listed(FakeReader(lists), 1)) == [(2, "a"), (4, "b")]


def test_many_members_of_one_time_cost_one_command_a_page() -> None:
    reader = FakeReader({3: {f"u{number:04}": 7 for number in range(1_000)}, 5: {}, 8: {}})
    assert len(asyncio.run(listed(reader, 10))) == 1_000
    assert reader.asked < 4 * 100


def test_a_sample_is_of_different_members_of_all_shards() -> None:
    lists = {shard: {f"{shard}-{number}": number for number in range(4)} for shard in SHARDS}
    segments = SegmentReader(FakeReader(lists))  # type: ignore[arg-type]
    seen = set()
    for _ in range(200):
        page = asyncio.run(segments.sample(None, "fans", 5))
        assert len(page.members) == len(set(page.members)) == 5
        seen |= set(page.members)
    assert len(seen) == 12
    assert len(asyncio.run(segments.sample(None, "fans", 100)).members) == 12


@given(st.sampled_from(SHARDS), st.integers(0, 2**53), st.integers(0, 1_000), st.text(min_size=1, max_size=20))
def test_a_token_is_read_as_it_was_written(shard: int, since_ms: int, same_ms: int, user_id: str) -> None:
    try:
        last = Member(since_ms, user_id.encode())
    except UnicodeEncodeError:
        return
    for position in (Position(shard, last, same_ms), Position(shard)):
        assert Position.decode(position.encode(), SHARDS) == position


@pytest.mark.parametrize(
    "token", ["x", "!", "W10", "e30", "WzMsMSwxXQ", "WzMsLTEsMSwiYSJd", "é", "A" * 5_000, "WyJhIl0"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Refused, match="is none of this service"):
        Position.decode(token, SHARDS)


@given(st.text(max_size=60))
def test_any_text_is_a_token_or_refused(token: str) -> None:
    try:
        Position.decode(token, SHARDS)
    except Refused as error:
        assert "page token" in error.details


def test_a_token_of_another_number_of_shards_is_refused() -> None:
    with pytest.raises(Refused, match="list from the beginning"):
        Position.decode(Position(4).encode(), SHARDS)


def test_replies_of_redis() -> None:
    assert members_in([b"u1", b"1767225600000", b"u2", b"1.7672256e+12"]) == [
        Member(1_767_225_600_000, b"u1"),
        Member(1_767_225_600_000, b"u2"),
    ]
    assert shards_in([b"jobs", b"12", b"shards", b"3", b"dropping"]) == [3, 12]
    assert places([0, 3, 4, 6], [3, 0, 2, 2]) == [(0, 0), (2, 0), (2, 1), (3, 1)]
    assert (has_scores(b""), has_scores(bytes(16))) == (False, True)
