from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from serving.loader import BUSY_KEYS, Loader


class Reads:
    """Records every read, and answers when it is told to."""

    def __init__(self) -> None:
        self.keys: list[list[str]] = []
        self.released = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, keys: Sequence[str]) -> list[bytes | None]:
        self.keys.append(list(keys))
        await self.released.wait()
        if self.error:
            raise self.error
        return [key.encode() for key in keys]


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_calls_of_one_turn_are_one_read_and_duplicates_are_read_once() -> None:
    async def run() -> None:
        reads = Reads()
        reads.released.set()
        loader = Loader(reads, keys_max=10)
        assert await asyncio.gather(*map(loader.load, ["a", "b", "a"])) == [b"a", b"b", b"a"]
        assert reads.keys == [["a", "b"]]

    asyncio.run(run())


def test_idle_loader_reads_at_the_end_of_the_turn() -> None:
    async def run() -> None:
        reads = Reads()
        future = Loader(reads, keys_max=10).load("a")
        await turn()
        assert reads.keys == [["a"]]
        reads.released.set()
        assert await future == b"a"

    asyncio.run(run())


def test_what_comes_during_a_read_gathers_and_is_read_after_it() -> None:
    """Also the same key: the value may have changed since the running read was sent."""

    async def run() -> None:
        reads = Reads()
        loader = Loader(reads, keys_max=2)
        futures = [loader.load("a")]
        await turn()
        futures += map(loader.load, ["a", "b", "c"])
        await turn()
        assert reads.keys == [["a"]]
        reads.released.set()
        assert await asyncio.gather(*futures) == [b"a", b"a", b"b", b"c"]
        assert reads.keys == [["a"], ["a", "b"], ["c"]]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("busy_s", "keys_before", "pauses"),
    [(0.0, 1, False), (0.0, BUSY_KEYS - 1, False), (0.0, BUSY_KEYS, True), (60.0, BUSY_KEYS, False)],
)
def test_next_read_waits_a_moment_only_where_the_loader_is_busy(
    busy_s: float, keys_before: int, pauses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a read of many keys, and not in a burst: then such reads have not gone on for BUSY_S."""
    monkeypatch.setattr("serving.loader.BUSY_S", busy_s)

    async def run() -> None:
        reads = Reads()
        reads.released.set()
        loader = Loader(reads, keys_max=10)
        await asyncio.gather(*map(loader.load, map(str, range(keys_before))))
        late = [loader.load("a")]
        await turn()
        late.append(loader.load("b"))
        assert await asyncio.gather(*late) == [b"a", b"b"]
        assert reads.keys[1:] == ([["a", "b"]] if pauses else [["a"], ["b"]])

    asyncio.run(run())


def test_busy_is_who_has_had_reads_of_many_keys_for_a_while() -> None:
    """Also with smaller ones between them, and not after a pause in which none came."""
    loader = Loader(Reads(), keys_max=10)
    seen = [(at_ms, loader._is_busy(at_ms / 1000)) for at_ms in (0, 8, 16, 24, 30, 45, 53, 61, 69)]
    assert [at_ms for at_ms, busy in seen if busy] == [24, 30, 69]


def test_caller_that_goes_away_harms_no_other() -> None:
    async def run() -> None:
        reads = Reads()
        loader = Loader(reads, keys_max=10)
        gone, stays = loader.load("a"), loader.load("a")
        await turn()
        gone.cancel()
        reads.released.set()
        assert await stays == b"a"

    asyncio.run(run())


def test_what_nobody_waits_for_any_more_is_not_read() -> None:
    async def run() -> None:
        reads = Reads()
        reads.released.set()
        loader = Loader(reads, keys_max=1)
        gone = [loader.load(key) for key in ("a", "b")]
        stays = loader.load("c")
        for caller in gone:
            caller.cancel()
        assert await stays == b"c"
        assert reads.keys == [["c"]]

    asyncio.run(run())


def test_failure_reaches_all_who_wait_and_the_next_call_reads_again() -> None:
    async def run() -> None:
        reads = Reads()
        loader = Loader(reads, keys_max=10)
        futures = [loader.load("a")]
        await turn()
        futures.append(loader.load("b"))
        reads.error = ConnectionError("away")
        reads.released.set()
        for future in futures:
            with pytest.raises(ConnectionError, match="away"):
                await future
        reads.error = None
        assert await loader.load("a") == b"a"
        assert reads.keys == [["a"], ["a"]]

    asyncio.run(run())
