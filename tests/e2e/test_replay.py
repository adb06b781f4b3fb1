"""What a live job has processed, processed again: from the topic and from the lake the scores are the same bytes.

The events come as a bad network brings them: up to a day out of order, later than that, twice, unreadable, and with
requests to forget. The live job reads them as they come, a replay in one go; a replay of the lake then goes on as the
live job, without a gap or a double.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.topics import EVENTS
from history.lake.chunks import records_of
from history.lake.filing import file_records
from history.lake.location import locate
from history.lake.reading import Stretch
from history.lake.sequence import in_sequence
from history.lake.typed import Record, Typer
from jobs.pipeline import decoder_of
from jobs.replay_settings import offsets_text, replay_settings
from jobs.settings import ScoreEventsSettings
from tests.builders import DAY, HOUR, MINUTE, NOW
from tests.e2e import records
from tests.e2e.conftest import History
from tests.e2e.namespace import Counters, Namespace, assert_same_scores
from tests.e2e.sessions import final_sessions
from tests.e2e.stack import RealStack, eventually
from tests.lakes import forgotten_users

REPLAY: dict[str, Any] = {name: value for name, value in replay_settings(1).items() if name != "parallelism"}
pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PARTITIONS = 2
CHUNK_OFFSETS = 1_500  # far less than a lake's own, so that there are many chunks and watermarks
PHASES = 4  # that the live job reads one after the other
T = TypeVar("T")
OVERSIZED = b"x" * (ScoreEventsSettings.model_fields["event_bytes_max"].default + 1)


@dataclass(frozen=True)
class Sent:
    """A record to be written."""

    partition: int
    time_ms: int
    key: bytes | None
    value: bytes | None


@dataclass
class Replay(Namespace):
    """A namespace that reads the topic of another one."""

    source: Namespace | None = None

    def topic(self, contract_name: str) -> str:
        if self.source is not None and contract_name == EVENTS.name:
            return self.source.topic(contract_name)
        return super().topic(contract_name)


def arriving(events: Sequence[UserEvent]) -> list[Sent]:
    """The events as they arrive: some late, some twice, and what is no event among them."""
    rng = random.Random(3)
    found = []
    for number, event in enumerate(events):
        delay_ms = rng.choices([0, rng.randrange(20 * HOUR), 2 * DAY + rng.randrange(3 * DAY)], [86, 8, 6])[0]
        found.append(_sent(event, event.event_time_ms + delay_ms))
        if rng.random() < 0.03:
            found.append(_sent(event, event.event_time_ms + delay_ms + rng.randrange(2 * HOUR)))
        if number % 1_000 == 500:
            forget = UserEvent(
                event_id=f"forget-{number}",
                user_id=event.user_id,
                type=UserEvent.FORGET,
                event_time_ms=event.event_time_ms + MINUTE,
            )
            found += [_sent(forget, forget.event_time_ms), *_poison(event)]
    return sorted(found, key=lambda sent: sent.time_ms)


def _sent(event: UserEvent, arrives_ms: int) -> Sent:
    return Sent(_partition(event.user_id), arrives_ms, event.user_id.encode(), event.SerializeToString())


def _poison(event: UserEvent) -> Iterator[Sent]:
    """Records that are no events: unreadable, of another user, without a key, without a value, and far too large."""
    key, value = event.user_id.encode(), event.SerializeToString()
    for pair in ((key, b"\xff\x00"), (b"somebody else", value), (None, value), (key, None), (key, OVERSIZED)):
        yield Sent(_partition(event.user_id), event.event_time_ms, *pair)


def _partition(user_id: str) -> int:
    return sum(user_id.encode()) % PARTITIONS


def parts_of(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield slices of this size, the last one perhaps shorter."""
    return (whole[at : at + size] for at in range(0, len(whole), size))


def write(space: Namespace, sent: Sequence[Sent]) -> None:
    """Write records to the namespace's topic; when it ends they are all in Kafka."""
    with records.producer(space.stack.settings) as client:
        for one in sent:
            client.send(
                space.topic("events"), one.value, key=one.key, partition=one.partition, timestamp_ms=one.time_ms
            )
        client.flush()


def write_in_phases(space: Namespace, sent: Sequence[Sent]) -> None:
    """Write records to a running job, a part at a time."""
    written = 0
    for part in parts_of(sent, -(-len(sent) // PHASES)):
        write(space, part)
        written += len(part)
        eventually(space.processed, lambda seen: seen == written, "a phase is processed")  # noqa: B023


@dataclass(frozen=True)
class Archived:
    """A topic in the lake, and a topic of chunks to read it by."""

    lake: Path
    chunks_topic: str
    ends: dict[int, int]

    @property
    def settings(self) -> dict[str, Any]:
        """What tells the job about it."""
        return {"chunks_topic": self.chunks_topic, "lake_url": self.lake}


def archive(live: Namespace, lake: Path) -> Archived:
    """File all that the topic holds now, and plan to read it."""
    settings = live.stack.settings
    topic = live.topic("events")
    held = [
        Record(one.partition, one.offset, one.timestamp, one.key, one.value, {})
        for one in records.read(settings, topic)
    ]
    file_records(held, Typer(decoder_of(ScoreEventsSettings.load())), locate(str(lake)).below(topic), NOW)
    chunks_topic = f"{live.name}.chunks"
    records.create(settings, {chunks_topic: {"retention.ms": "-1"}}, partitions=1)
    with records.producer(settings) as client:
        for value, timestamp_ms in records_of(in_sequence(_stretches(held))):
            client.send(chunks_topic, value.encode(), partition=0, timestamp_ms=timestamp_ms)
        client.flush()
    ends = {part: 1 + max(one.offset for one in held if one.partition == part) for part in range(PARTITIONS)}
    return Archived(lake, chunks_topic, ends)


def _stretches(held: Sequence[Record]) -> Iterator[Stretch]:
    for partition in range(PARTITIONS):
        for part in parts_of([one for one in held if one.partition == partition], CHUNK_OFFSETS):
            times_ms = [one.record_time_ms for one in part]
            yield Stretch(partition, part[0].offset, part[-1].offset + 1, len(part), min(times_ms), max(times_ms))


@pytest.fixture(scope="module")
def sent(history: History) -> list[Sent]:
    return arriving(history.events())


@pytest.fixture(scope="module")
def live(stack: RealStack, model_version: str, sent: list[Sent]) -> Namespace:
    """A live job that has read nine tenths of the records as they came."""
    assert model_version
    records.create(stack.settings, {f"seen.{EVENTS.name}": EVENTS.config()}, PARTITIONS)
    space = Namespace(stack, "seen")
    space.submit()
    write_in_phases(space, sent[: len(sent) * 9 // 10])
    return space


def assert_same(replay: Namespace, live: Namespace) -> None:
    """Counters, scores and sessions are those of the live job."""
    counters = live.drain()
    assert replay.drain() == counters
    assert min(counters.duplicate, counters.late, counters.dead_letter) > 20  # there are some of each
    assert_same_scores(replay.export(), live.export())
    gone = forgotten_users(one.value for one in records.read(live.stack.settings, live.topic("events")))
    wanted = sessions_but_of(gone, live)
    eventually(lambda: sessions_but_of(gone, replay), lambda found: found == wanted, "the sessions are published")


def sessions_but_of(user_ids: set[str], space: Namespace) -> dict[str, ClosedSession]:
    """The final sessions, without those of some users."""
    return {key: session for key, session in final_sessions(space).items() if session.user_id not in user_ids}


def test_a_replay_of_the_topic_and_one_of_the_lake_say_what_live_has_said(
    stack: RealStack, live: Namespace, sent: list[Sent], tmp_path: Path
) -> None:
    topic = Replay(stack, "again-topic", source=live)
    topic.submit(**REPLAY)
    assert_same(topic, live)
    topic.stop()

    archived = archive(live, tmp_path / "lake")
    lake = Replay(stack, "again-lake", source=live)
    lake.submit(**REPLAY, **archived.settings)
    assert_same(lake, live)

    stack.driftline("replay", "again-local", "--local", "--lake", str(archived.lake), env=live.env)
    local = Replay(stack, "again-local", source=live)
    assert local.drain() == live.drain()
    assert_same_scores(local.export(), live.export())

    # The rest of the events comes; the replay goes on with it as the live job, from the savepoint and its own offsets.
    savepoint = lake.stop()
    write(live, sent[len(sent) * 9 // 10 :])
    lake.submit(savepoint=savepoint, start_offsets=offsets_text(archived.ends))
    assert_same(lake, live)


def test_a_replay_ends_where_it_is_told_to_and_begins_there_again(stack: RealStack, live: Namespace) -> None:
    live.drain()
    ends = {0: 4_000, 1: 3_000}
    part = Replay(stack, "part", source=live)
    part.submit(until_offsets=offsets_text(ends), **REPLAY)
    counters = eventually(part.processed, lambda seen: seen == sum(ends.values()), "the first part is processed")
    assert counters == 7_000
    rest = Replay(stack, "rest", source=live)
    rest.submit(start_offsets=offsets_text(ends), events_a_s_max=100_000)
    whole = live.drain()
    eventually(rest.processed, lambda seen: seen == whole.processed - 7_000, "the rest is processed")
    assert part.processed() == 7_000


def test_a_replay_of_some_users_says_of_them_what_live_has_said(
    stack: RealStack, live: Namespace, tmp_path: Path
) -> None:
    whole = live.drain()
    lines = live.export().splitlines(keepends=True)
    users = [*live.scores()][::20]
    (tmp_path / "users.txt").write_text("\n".join(users))
    some = Replay(stack, "some-users", source=live)
    some.submit(only_users=tmp_path / "users.txt", **REPLAY)
    counters = some.drain()
    assert counters == Counters(counters.processed, *counters[1:])
    assert 0 < counters.processed < whole.processed // 10
    assert_same_scores(some.export(), "".join(lines[::20]))
