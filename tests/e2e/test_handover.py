"""Replays by the command, and their hand-over to live traffic: nothing is lost or doubled, no reader goes back."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from console.local.topics import topic_names
from driftline.client import ScoresClient
from tests.e2e import records
from tests.e2e.conftest import History
from tests.e2e.namespace import LIVE, Counters, Namespace, assert_same_scores
from tests.e2e.stack import RealStack, eventually
from tests.lakes import TopicRecord, write_lake

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

RATE = 1_000
USERS = 300
GAP = ("--set", "session_gap_ms=900000")
Version = tuple[int, int, int]


class Reader:
    """Asks the server for the same users all along, and notes every answer that is older than one before."""

    def __init__(self, stack: RealStack, users: list[str]) -> None:
        self._stack, self._users = stack, users
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.newest: dict[str, Version] = {}
        self.older: list[tuple[str, Version, Version]] = []
        self.reads = 0

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _read(self) -> None:
        with ScoresClient(self._stack.settings.grpc_address) as client:
            while not self._stopped.is_set():
                for result in client.batch(self._users, timeout_s=10):
                    if result.scores is None:
                        continue
                    found = result.scores
                    version = found.generation, found.accepted_events, found.as_of_event_time_ms
                    before = self.newest.get(found.user_id, version)
                    if any(now < then for now, then in zip(version, before, strict=True)):
                        self.older.append((found.user_id, before, version))
                    self.newest[found.user_id] = version
                self.reads += 1


@contextmanager
def traffic(space: Namespace) -> Iterator[None]:
    """Live traffic on the namespace's topic for as long as the block lasts."""
    command = space.stack.begin("simulate", "--users", str(USERS), "--rate", str(RATE), env=space.env)
    try:
        yield
    finally:
        command.send_signal(signal.SIGTERM)
        _, err = command.communicate(timeout=30)
    assert not command.returncode, err


def replay(space: Namespace, name: str, *arguments: str, exit_code: int = 0) -> str:
    return space.stack.driftline("replay", name, *arguments, exit_code=exit_code, env=space.env)


def drained(space: Namespace, name: str) -> Counters:
    return Counters.parse(space.stack.driftline("drain", "--namespace", name, "--timeout", "120", env=space.env))


def export(stack: RealStack, name: str) -> str:
    return stack.driftline("export-scores", "--namespace", name)


def rows(stack: RealStack) -> dict[str, dict[str, object]]:
    lines = stack.driftline("namespaces", "--json", "--no-count").splitlines()
    return {row["name"]: row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def live(stack: RealStack) -> Iterator[Namespace]:
    """A namespace that servers read, with its job running."""
    made = Namespace(stack, "before")
    made.submit()
    stack.driftline("promote", "--force", made.name)
    yield made
    stack.driftline("promote", "--force", LIVE)


def test_a_hand_over_under_traffic_loses_nothing_and_takes_nothing_back(stack: RealStack, live: Namespace) -> None:
    stack.make_room(1)
    with traffic(live):
        eventually(live.processed, lambda count: count > 5 * RATE, "traffic is scored")
        users = [line["userId"] for line in map(json.loads, live.export().splitlines())][:100]
        with Reader(stack, users) as reader:
            eventually(lambda: reader.reads, lambda reads: reads > 3, "the reader reads")
            replay(live, "after", *GAP, "--then-live", "--promote")
            at_promotion = reader.reads
            eventually(lambda: reader.reads, lambda reads: reads > at_promotion + 20, "the reader reads on")
    generations = {generation for generation, _, _ in reader.newest.values()}
    assert not reader.older[:5]
    assert len(reader.newest) == len(users)
    assert generations == {rows(stack)["after"]["generation"]}

    published = len(records.read(stack.settings, live.topic("events")))
    wanted = Counters(published, published, published, 0, 0, 0)
    assert drained(live, "after") == wanted
    assert drained(live, live.name) == wanted
    listed = rows(stack)
    assert listed["after"]["live"]
    assert listed["after"]["replay"] == "replay of the topic, live since"
    assert {"after.scores", "after.sessions", "after.late", "after.dead-letter"} <= topic_names(stack.settings)

    stack.driftline("promote", "--rollback")
    assert rows(stack)[live.name]["live"]
    stack.driftline("stop", "score-events", "--namespace", live.name)

    # The same events in a replay that ends give the same scores.
    counters = replay(live, "fresh", *GAP)
    assert Counters.parse(counters) == wanted
    assert_same_scores(export(stack, "fresh"), export(stack, "after"))
    assert stack.flink.running("score-events fresh") is None
    stack.driftline("stop", "score-events", "--namespace", "after")


def test_what_a_replay_is_refused(stack: RealStack, live: Namespace, tmp_path: Path) -> None:
    live.ensure_job()
    stack.make_room(1)
    stack.driftline("promote", "--force", live.name)
    assert "before is the live one" in stack.fails("replay", "before", env=live.env)
    (tmp_path / "one.jsonl").write_text(
        json.dumps({"eventId": "a", "userId": "u", "type": "VIEW", "eventTimeMs": str(int(time.time() * 1_000))}) + "\n"
    )
    live.publish(tmp_path / "one.jsonl")
    live.drain()
    replay(live, "refused")
    assert "holds scores already" in stack.fails("replay", "refused", env=live.env)
    assert "has an end" in stack.fails(
        "submit", "score-events", "--from-savepoint", "latest", "--set", "namespace=refused", env=live.env
    )
    refused = stack.fails("replay", "wide", "--parallelism", "8", env=live.env)
    assert "needs 8 free slot(s)" in refused
    assert "driftline up --detach --task-managers" in refused


def archive(stack: RealStack, topic: str, ends: dict[int, int]) -> dict[int, int]:
    """Bring the records of a topic into the stack's lake, up to these offsets; returns where the topic ends."""
    found = records.read(stack.settings, topic)
    kept = [
        TopicRecord(one.partition, one.offset, one.timestamp, one.key, one.value)
        for one in found
        if one.offset < ends[one.partition]
    ]
    write_lake(Path(stack.settings.lake_address), kept, topic=topic)
    return {number: 1 + max(one.offset for one in found if one.partition == number) for number in ends}


def delete_before(stack: RealStack, topic: str, offsets: dict[int, int]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=stack.settings.kafka_address)
    try:
        admin.delete_records({TopicPartition(topic, number): offset for number, offset in offsets.items()})
    finally:
        admin.close()


def test_a_topic_without_its_beginning_is_replayed_from_the_lake_on(stack: RealStack, history: History) -> None:
    old = Namespace(stack, "whole")
    old.publish(history.days_late)
    old.submit()
    counters = old.drain()
    expected = old.export()
    old.stop()

    topic = old.topic("events")
    sizes = {
        number: len([one for one in records.read(stack.settings, topic) if one.partition == number])
        for number in range(4)
    }
    archive(stack, topic, {number: 2 * size // 3 for number, size in sizes.items()})
    delete_before(stack, topic, {number: size // 2 for number, size in sizes.items()})
    assert Counters.parse(replay(old, "from-lake")) == counters
    assert_same_scores(export(stack, "from-lake"), expected)
    assert drained(old, "from-lake") == counters
    assert not [name for name in topic_names(stack.settings) if name.startswith("from-lake.chunks")]

    delete_before(stack, topic, {number: 3 * size // 4 for number, size in sizes.items()})
    refused = stack.fails("replay", "gap", env=old.env)
    assert "neither the lake nor the topic has offsets" in refused
    skipped = Counters.parse(replay(old, "gap", "--set", "deleted_offsets=skip"))
    assert 0 < skipped.processed < counters.processed
