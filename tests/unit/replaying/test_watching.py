"""Watching a replay's job: when it is done, and each way in which it does not get there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from console.accounting import Part
from console.flink_rest import Job
from console.progress import Drained
from console.replaying import watching
from console.replaying.note import LakePart, Phase, Replay
from console.replaying.watching import Seen, Watch
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable, StackError
from sink_connectors.score_store import Progress

AWAY = ServiceUnavailable("Kafka is away")
TOPIC = Replay(topic="events", parts={0: Part(0, 100)})


class World:
    """A job that reads a topic, and a clock that goes on with every wait; the test says what is found at each look."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.looks: Callable[[int], Drained] = lambda _: Drained(0, Progress())
        self.count = 0
        self.now_s = 0.0
        self.state = "RUNNING"
        self.known = True
        self.cancelled: list[str] = []
        self.asked: list[Replay] = []
        patch.setattr(watching, "FlinkRest", lambda _: self)
        patch.setattr(watching, "TopicProgress", self._progress)
        patch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def _progress(self, _: object, __: str, replay: Replay) -> World:
        self.asked.append(replay)
        return self

    def look(self) -> Drained:
        self.count += 1
        return self.looks(self.count)

    def jobs(self) -> list[Job]:
        return [Job("j", "score-events again", self.state)] if self.known else []

    def failure(self, _: str) -> str:
        return "OffsetOutOfRange"

    def get(self, _: str) -> dict[str, dict[str, int]]:
        return {"counts": {"completed": 7}}

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def close(self) -> None:
        pass


class Stop(Event):
    """Waits on the world's clock."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def wait(self, timeout: float | None = None) -> bool:
        self._world.now_s += timeout or 0.0
        return self.is_set()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def watch(world: World, replay: Replay, show: Callable[[Seen], Any] = lambda _: None) -> Drained | None:
    return Watch(StackSettings.load(), "again", replay, "j", late_s=1.0).until_done(show, Stop(world))


def read(count: int, of: int, **more: Any) -> Drained:
    return Drained(of, Progress(count), records=count, **more)


def test_it_is_done_when_everything_is_processed(world: World) -> None:
    world.looks = lambda look: read(min(100, 30 * look), 100)
    shown: list[Seen] = []
    assert watch(world, TOPIC, shown.append) == read(100, 100)
    assert [one.records for one in shown] == [30, 60, 90, 100]
    assert (shown[0].all_records, shown[0].checkpoints, shown[0].phase) == (100, 7, Phase.TOPIC)


def test_of_the_lake_its_rows_count_and_the_topic_does_not(world: World) -> None:
    lake = LakePart(url="/lake", events=60)
    world.looks = lambda look: read(40, 80) if look == 1 else read(60, 60)
    shown: list[Seen] = []
    both = Replay(topic="events", parts={0: Part(0, 100, 80)}, phase=Phase.LAKE, lake=lake)
    watch(world, both, shown.append)
    assert [one.all_records for one in shown] == [60, 60]
    assert world.asked == [both.lake_alone()]


def test_one_that_goes_live_has_caught_up_within_a_second_of_traffic(world: World) -> None:
    live = replace(TOPIC, parts={0: Part(0)}, then_live=True)
    # 1,000 events a second come in, and twice as many are read.
    world.looks = lambda look: read(1_000 * look, 10_000 + 500 * look)
    found = watch(world, live)
    assert found is not None
    assert 0 < found.published - found.totals.events <= 1_000


def test_one_that_is_live_has_caught_up_again_with_what_came_in_meanwhile(world: World) -> None:
    live = replace(TOPIC, parts={0: Part(0)}, then_live=True, phase=Phase.LIVE)
    world.looks = lambda look: read(1_000 * look, 10_000 + 500 * look)
    assert watch(world, live) is not None
    assert world.count > 10


def test_a_job_that_failed_is_named_with_its_cause(world: World) -> None:
    world.state = "FAILED"
    with pytest.raises(StackError, match=r"has ended: OffsetOutOfRange; `driftline replay again --resume`"):
        watch(world, TOPIC)


def test_a_job_that_restarts_is_borne_and_shown(world: World) -> None:
    world.state = "RESTARTING"
    world.looks = lambda look: read(100 if look > 3 else 1, 100)
    shown: list[Seen] = []
    watch(world, TOPIC, shown.append)
    assert shown[0].trouble == "OffsetOutOfRange"


def test_a_job_that_the_cluster_has_lost(world: World) -> None:
    world.known = False
    with pytest.raises(StackError, match="does not know job j any more; `driftline replay again --resume`"):
        watch(world, TOPIC)


def test_records_that_are_deleted_meanwhile_end_it(world: World) -> None:
    world.looks = lambda _: read(10, 100, lost={0: (10, 20)})
    with pytest.raises(InputError, match=r"deleted 10 events .* --resume --set deleted_offsets=skip"):
        watch(world, TOPIC)
    assert world.cancelled == ["j"]
    assert world.now_s > 3  # they may have been inside the job


def test_a_service_that_is_away_for_a_while_is_waited_for(world: World) -> None:
    def look(count: int) -> Drained:
        if count < 20:
            raise AWAY
        return read(100, 100)

    world.looks = look
    assert watch(world, TOPIC) is not None


def test_one_that_stays_away_ends_the_command_and_not_the_job(world: World) -> None:
    def look(_: int) -> Drained:
        raise AWAY

    world.looks = look
    with pytest.raises(ServiceUnavailable, match=r"Kafka is away; the replay may go on: .*--resume"):
        watch(world, TOPIC)
    assert not world.cancelled


def test_it_stops_when_it_is_told_to(world: World) -> None:
    stop = Stop(world)
    stop.set()
    assert Watch(StackSettings.load(), "again", TOPIC, "j", late_s=1.0).until_done(lambda _: None, stop) is None
