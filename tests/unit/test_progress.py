"""Looking at a topic and its job until everything is processed: which offsets are no events, only reading tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition

from console import progress
from console.accounting import Account, Part
from console.progress import Drained, TopicProgress, lost_text
from console.replaying.note import LakePart, Phase, Replay
from console.settings import StackSettings
from driftline.errors import InputError
from sink_connectors.score_store import Progress, ShardReport
from udfs.offsets import advance
from udfs.shards import shard_of

KEY = b"u1"
WHERE = TopicPartition("events", 0)


class World:
    """A partition, a key or None (no record) by offset; and how many of its records the job has processed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.offsets: list[bytes | None] = []
        self.begin = 0
        self.processed = 0
        self.skipped: dict[int, list[tuple[int, int]]] = {}
        self.now_s = 100.0
        self.note = b""
        self.polls = 0
        self._position = 0
        patch.setattr(progress, "connect_consumer", lambda _: self)
        patch.setattr("sink_connectors.score_store.RedisScoreStore.connect", lambda *_, **__: self)
        patch.setattr("console.progress.ReplayNotes.connect", lambda *_, **__: self)
        patch.setattr("console.progress.time.monotonic", lambda: self.now_s)

    # The consumer
    def partitions_for_topic(self, _: str) -> set[int]:
        return {0}

    def beginning_offsets(self, _: object) -> dict[TopicPartition, int]:
        return {WHERE: self.begin}

    def end_offsets(self, _: object) -> dict[TopicPartition, int]:
        return {WHERE: len(self.offsets)}

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert partitions == [WHERE]

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._position = offset

    def position(self, _: TopicPartition) -> int:
        return self._position

    def poll(self, **_: Any) -> dict[TopicPartition, list[SimpleNamespace]]:
        self.polls += 1
        found = [
            SimpleNamespace(offset=offset, key=key)
            for offset, key in enumerate(self.offsets)
            if key is not None and offset >= max(self._position, self.begin)
        ]
        self._position = len(self.offsets)
        return {WHERE: found}

    # The store
    def read_reports(self) -> dict[int, ShardReport]:
        read = [offset for offset, key in enumerate(self.offsets) if key is not None][: self.processed]
        packed = advance(b"", [0] * len(read), read)
        return {shard_of(KEY, 1): ShardReport(Progress(len(read)), 1, packed)} if read else {}

    def read_skipped(self) -> dict[int, list[tuple[int, int]]]:
        return self.skipped

    def note_skipped(self, lost: dict[int, tuple[int, int]]) -> None:
        self.skipped = {partition: [span] for partition, span in lost.items()}

    def close(self) -> None:
        pass

    # What is kept of a replay
    def get(self) -> bytes:
        return self.note


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def looking(world: World) -> TopicProgress:
    return TopicProgress(StackSettings.load(), "main")


def look_later(world: World, looking: TopicProgress) -> Drained:
    world.now_s += 10
    return looking.look()


def test_without_markers_counting_is_enough(world: World, looking: TopicProgress) -> None:
    world.offsets, world.processed = [KEY] * 3, 3
    seen = looking.look()
    assert (seen.done, seen.published, seen.no_events, world.polls) == (True, 3, 0, 0)


def test_markers_are_told_from_events_by_reading(world: World, looking: TopicProgress) -> None:
    world.offsets, world.processed = [KEY, None, KEY, None], 2
    seen = looking.look()
    assert (seen.done, seen.published, seen.no_events) == (True, 2, 2)
    polls = world.polls
    assert look_later(world, looking).done
    assert world.polls == polls  # what is known is not read again


def test_an_event_behind_a_marker_is_waited_for(world: World, looking: TopicProgress) -> None:
    world.offsets, world.processed = [KEY, None, KEY], 1
    assert not looking.look().done
    world.processed = 2
    assert not looking.look().done  # read again a second later only
    seen = look_later(world, looking)
    assert (seen.done, seen.published, seen.no_events) == (True, 2, 1)


def test_an_event_that_comes_after_the_markers_were_settled_is_waited_for(world: World, looking: TopicProgress) -> None:
    world.offsets, world.processed = [KEY, None], 1
    assert looking.look().done
    world.offsets.append(KEY)
    assert not look_later(world, looking).done
    world.processed = 2
    assert look_later(world, looking).done


def test_what_was_deleted_before_it_was_read_is_lost_until_it_is_skipped(world: World, looking: TopicProgress) -> None:
    world.offsets, world.processed, world.begin = [KEY] * 5, 1, 3
    seen = looking.look()
    assert (seen.done, seen.lost, seen.lost_offsets) == (False, {0: (1, 3)}, 2)
    assert "2 events of events" in lost_text("events", seen.lost)
    looking.skip(seen.lost)
    assert look_later(world, looking).lost == {}


def test_a_topic_that_ends_before_what_was_processed_is_another(world: World, looking: TopicProgress) -> None:
    world.offsets, world.processed = [KEY] * 3, 3
    looking.look()
    reports = world.read_reports()
    world.offsets = [KEY]
    world.read_reports = lambda: reports  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"ends at offset 1, .* has processed it up to 3"):
        looking.look()


class _Lake:
    """A lake that has the same records as the topic had."""

    def __init__(self, world: World) -> None:
        self._world = world

    def first_open(self, account: Account, partition: int, begin: int, end: int, _: float) -> tuple[int, bool]:
        for offset in range(begin, end):
            key = self._world.offsets[offset]
            if key is not None and not account.is_processed(partition, offset, key):
                return offset, True
        return end, False


def replay(part: Part, phase: Phase = Phase.TOPIC) -> bytes:
    lake = LakePart(url="/lake") if part.lake_until else None
    return Replay(topic="events", parts={0: part}, phase=phase, lake=lake).encode()


def test_a_replay_ends_where_it_was_to_end(world: World) -> None:
    world.offsets, world.note = [KEY] * 9, replay(Part(0, 5))
    world.processed = 4
    looking = TopicProgress(StackSettings.load(), "main")
    assert (looking.look().done, looking.look().published) == (False, 5)
    world.processed = 5
    seen = look_later(world, looking)
    assert (seen.done, seen.published, seen.records) == (True, 5, 5)
    world.begin = 9  # whatever becomes of it afterwards
    assert look_later(world, looking).done


def test_a_replay_that_has_gone_live_has_no_end_any_more(world: World) -> None:
    world.offsets, world.processed, world.note = [KEY] * 9, 5, replay(Part(0, 5))
    looking = TopicProgress(StackSettings.load(), "main")
    assert looking.look().done
    world.note = replay(Part(0), Phase.LIVE)
    seen = look_later(world, looking)
    assert (seen.done, seen.published) == (False, 9)


def test_what_the_lake_has_is_not_missed_in_the_topic(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TopicProgress, "_records_of", lambda *_: _Lake(world))
    world.offsets, world.begin, world.note = [KEY, None, KEY, None, KEY], 3, replay(Part(0, 5, 4))
    looking = TopicProgress(StackSettings.load(), "main")
    seen = looking.look()
    assert (seen.done, seen.lost) == (False, {})
    world.processed = 2
    assert not look_later(world, looking).done  # the last one is in the topic
    world.processed = 3
    seen = look_later(world, looking)
    assert (seen.done, seen.published, seen.no_events) == (True, 3, 2)


def test_a_lake_alone_needs_no_topic(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TopicProgress, "_records_of", lambda *_: _Lake(world))
    monkeypatch.setattr(World, "partitions_for_topic", lambda *_: set())
    world.offsets, world.note = [None, KEY], replay(Part(0, 2, 2), Phase.LAKE)
    looking = TopicProgress(StackSettings.load(), "main")
    assert not looking.look().done
    world.processed = 1
    assert look_later(world, looking).done
