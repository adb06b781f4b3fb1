"""archive-events files every record of a topic once, whatever becomes of its TaskManagers and of itself."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from kafka import KafkaProducer

from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.topics import EVENTS
from history.lake.layout import RAW, folder_of
from history.lake.location import Location, locate
from history.lake.reading import Lake
from tests.builders import DAY, SECOND, T0, message
from tests.e2e import records
from tests.e2e.namespace import savepoint_of
from tests.e2e.stack import RealStack, eventually
from tests.s3_server import S3Server, require_s3_server
from udfs.event import PURCHASE, VIEW
from udfs.rejects import Reason

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

PARTITIONS = 3
BATCH = 400  # records that are sent at a time
RESTART_S_MAX = 240.0  # until a TaskManager has been started, has imported the code, and has restored its state
SETTINGS = {"checkpoint_s": "1", "block_ms": "100"}

Raw = dict[tuple[int, int], tuple[Any, ...]]


class Sent(NamedTuple):
    """A record as it is given to a producer."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: list[tuple[str, bytes]]


def made() -> Iterator[Sent]:
    """Records of every kind, for ever: events of several hours, late ones, repeats, and what is none."""
    number = 0
    while True:
        at_ms = number * SECOND
        user = f"user-{number % 97}-ü"
        fields: dict[str, Any] = {"event_id": f"e-{number}", "item_id": "sku-🎈", "properties": {"größe": f"{number}"}}
        if number % 5 == 0:
            fields |= {"type": PURCHASE, "value": number / 7, "currency": "EUR", "category": "hüte"}
        sent = message(user, at_ms, **fields)
        key, value, headers = user.encode(), sent.SerializeToString(), list[tuple[str, bytes]]()
        if number % 7 == 0:
            headers = [("trace", number.to_bytes(4, "big")), ("leer", b""), ("名", b"\x00\xff\xfe")]
        yield Sent(key, value, T0 + at_ms, headers)
        if number % 10 == 0:  # a repeat, later
            yield Sent(key, value, T0 + at_ms + SECOND, [])
        if number % 11 == 0:  # far behind its record
            late = message(user, at_ms - 2 * DAY, event_id=f"late-{number}", type=VIEW)
            yield Sent(key, late.SerializeToString(), T0 + at_ms, [])
        if number % 13 == 0:
            yield from _no_events(key, value, T0 + at_ms)
        number += 1


def _no_events(key: bytes, value: bytes, at_ms: int) -> Iterator[Sent]:
    yield Sent(None, value, at_ms, [])
    yield Sent(key, None, at_ms, [("deleted", b"1")])
    yield Sent(b"\xff\x00", b"\x00\x01 no event", at_ms, [])
    yield Sent(b"", b"", at_ms, [])
    yield Sent(key, UserEvent(user_id=key.decode(), event_id="e", type=UserEvent.CUSTOM).SerializeToString(), at_ms, [])


@dataclass
class Archive:
    """A topic, the job that archives it, and the lake."""

    stack: RealStack
    topic: str
    root: Location
    settings: Mapping[str, str] = field(default_factory=dict)
    job_id: str = ""

    def submit(self, *arguments: str, parallelism: int = 1) -> None:
        """Submit the job."""
        given = {"events_topic": self.topic, "namespace": self.topic.replace(".", "-"), **SETTINGS, **self.settings}
        options = [part for name, value in given.items() for part in ("--set", f"{name}={value}")]
        self.job_id = self.stack.submit(*options, *arguments, job="archive-events", parallelism=parallelism)

    def stop(self) -> str:
        """Stop it; returns the savepoint."""
        return savepoint_of(self.stack.driftline("stop", self.job_id))

    @property
    def folder(self) -> Location:
        """Of the topic."""
        return self.root.below(self.topic)

    def places(self) -> Counter[tuple[int, int]]:
        """How often each partition and offset is in complete files."""
        try:
            batches = list(Lake(self.folder).scan(["partition", "offset"]))
        except InputError:
            return Counter()
        return Counter(place for batch in batches for place in zip(*batch.to_pydict().values(), strict=True))

    def rows(self) -> list[dict[str, Any]]:
        """Every row of every file."""
        lake = Lake(self.folder)
        return [row for batch in lake.scan(lake.schema().names) for row in batch.to_pylist()]

    def await_all(self) -> None:
        """Wait until as many rows are in the lake as records are on the topic, and check that each is there once."""
        wanted = Counter(self.on_topic().keys())
        enough = lambda places: places.total() >= wanted.total()  # noqa: E731
        found = eventually(self.places, enough, "all records are in the lake", RESTART_S_MAX)
        assert found == wanted

    def on_topic(self) -> Raw:
        """What a consumer reads, by place."""
        return {
            (one.partition, one.offset): (one.timestamp, one.key, one.value, dict(one.headers))
            for one in records.read(self.stack.settings, self.topic)
        }

    def writing(self) -> list[Path]:
        """The files that are not complete, of a lake in a folder."""
        return list(Path(self.folder.path).rglob(".*inprogress*"))


class Feed:
    """Sends what `made` makes."""

    def __init__(self, archive: Archive, client: KafkaProducer) -> None:
        self._archive = archive
        self._client = client
        self._made = made()

    def send(self, count: int = BATCH) -> None:
        """Send so many records, and return when the broker has them."""
        for number in range(count):
            one = next(self._made)
            self._client.send(
                self._archive.topic,
                key=one.key,
                value=one.value,
                headers=one.headers,
                timestamp_ms=one.timestamp_ms,
                partition=number % PARTITIONS,
            )
        self._client.flush()


@pytest.fixture
def archive(stack: RealStack) -> Archive:
    records.create(stack.settings, {"archived": EVENTS.config()}, PARTITIONS)
    return Archive(stack, "archived", locate(stack.settings.lake_address))


@pytest.fixture
def feed(archive: Archive) -> Iterator[Feed]:
    with records.producer(archive.stack.settings) as client:
        yield Feed(archive, client)


def test_every_record_is_in_the_lake_once_as_it_was(stack: RealStack, archive: Archive, feed: Feed) -> None:
    archive.submit(parallelism=2)
    feed.send()
    eventually(archive.places, lambda places: places.total() > 0, "the first files are complete")
    _kill_while_it_writes(archive, feed)
    feed.send()
    stack.up()
    feed.send()
    archive.await_all()
    assert stack.runs(archive.job_id)
    savepoint = archive.stop()
    archive.await_all()  # what was read before the savepoint is complete with it
    feed.send()
    archive.submit("--from-savepoint", savepoint)  # on one slot
    feed.send()
    archive.await_all()
    _assert_as_on_the_topic(archive)
    _assert_typed(archive)
    archive.stop()
    _assert_verified_and_merged(archive)
    feed.send()
    archive.submit()  # from nothing: behind what the lake has
    archive.await_all()
    archive.stop()


def test_a_lake_in_a_bucket_has_every_record_once(s3: S3Server, tmp_path: Path) -> None:
    place = {"DRIFTLINE_LAKE_URL": f"{s3.url}/shop", "DRIFTLINE_S3_ENDPOINT": s3.endpoint}
    own = RealStack(tmp_path / "home", place)
    try:
        own.up()
        records.create(own.settings, {"archived": EVENTS.config()}, PARTITIONS)
        archive = Archive(own, "archived", s3.location("shop"))
        with records.producer(own.settings) as client:
            _archive_in_a_bucket(archive, Feed(archive, client))
    except BaseException:
        print(own.log_tails())  # shown with the failure
        raise
    finally:
        own.down()


@pytest.fixture
def s3() -> Iterator[S3Server]:
    require_s3_server()
    with S3Server() as server:
        yield server


def _archive_in_a_bucket(archive: Archive, feed: Feed) -> None:
    archive.submit(parallelism=2)
    feed.send()
    eventually(archive.places, lambda places: places.total() > 0, "the first objects are complete", RESTART_S_MAX)
    feed.send()
    victim = psutil.Process(archive.stack.pid("taskmanager-2"))
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait(timeout=10)
    feed.send()
    archive.stack.up()
    archive.await_all()
    savepoint = archive.stop()
    feed.send()
    archive.submit("--from-savepoint", savepoint)
    archive.await_all()
    _assert_as_on_the_topic(archive)
    archive.stop()


def _kill_while_it_writes(archive: Archive, feed: Feed) -> None:
    """Kill a TaskManager that has files which are not complete."""
    victim = psutil.Process(archive.stack.pid("taskmanager-2"))

    def writes() -> bool:
        feed.send()
        return bool(archive.writing())

    eventually(writes, bool, "files are being written")
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait(timeout=10)
    feed.send()


def _assert_as_on_the_topic(archive: Archive) -> None:
    found: Raw = {}
    for row in archive.rows():
        place, content = (row["partition"], row["offset"]), [row[name] for name in RAW.names[2:]]
        found[place] = (*content[:3], dict(content[3]))
    assert found == archive.on_topic()


def _assert_verified_and_merged(archive: Archive) -> None:
    """The lake's commands find nothing wrong, also once they have merged the files of each hour."""
    topic = ("--topic", archive.topic)
    assert "every offset is there" in archive.stack.driftline("lake", "verify", "--kafka", "--deep", *topic)
    merged = archive.stack.driftline("lake", "compact", "--older-than", "1s", *topic)
    assert merged.startswith("merged ") and "merged 0 files" not in merged
    assert "every offset is there" in archive.stack.driftline("lake", "verify", "--deep", *topic)
    _assert_as_on_the_topic(archive)
    assert set(archive.places().values()) == {1}


def _assert_typed(archive: Archive) -> None:
    rows = archive.rows()
    reasons = Counter(row["reason"] for row in rows)
    assert reasons.keys() == {None, Reason.UNDECODABLE, Reason.KEY_MISMATCH, Reason.MISSING_FIELD}
    for row in rows:
        filed_ms = row["record_time_ms"]
        if row["reason"] is None:
            sent = UserEvent.FromString(row["payload"])
            filed_ms = sent.event_time_ms
            assert row["user_id"].encode() == row["key"]
            assert (row["user_id"], row["event_id"], row["type"], row["event_time_ms"]) == (
                sent.user_id,
                sent.event_id,
                UserEvent.Type.Name(sent.type),
                sent.event_time_ms,
            )
            assert row["value"] == (sent.value if sent.HasField("value") else None)
            assert dict(row["properties"] or ()) == dict(sent.properties)
            assert (row["item_id"] or "", row["category"] or "") == (sent.item_id, sent.category)
        assert f"event_date={row['event_date']}/event_hour={row['event_hour']}" == folder_of(filed_ms)
    late = [row for row in rows if (row["event_id"] or "").startswith("late-")]
    assert late and all(row["record_time_ms"] - row["event_time_ms"] == 2 * DAY for row in late)
    assert {row["event_date"] for row in late} <= {"2025-12-30", "2025-12-31"}
