"""The steps of a replay: what is submitted when, and what is known of it at each moment."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from console.accounting import Part
from console.flink_rest import Job
from console.progress import Drained
from console.replaying import run as running
from console.replaying.looking import Plan
from console.replaying.note import LakePart, Phase, Replay
from console.replaying.planning import Planned
from console.replaying.run import ReplayRun
from console.settings import StackSettings
from console.submission import Submitted
from driftline.errors import InputError, StackError
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_store import Progress

LAKE = LakePart(url="/lake", chunks_topic="again.chunks.1")
TOPIC = Replay(topic="events", parts={0: Part(3, 9)})
BOTH = Replay(topic="events", parts={0: Part(0, 9, 5)}, phase=Phase.LAKE, lake=LAKE)
LIVE = Replay(topic="events", parts={0: Part(0, None, 5)}, phase=Phase.LAKE, lake=LAKE, then_live=True)


class World:
    """Flink, Kafka and Redis as far as a replay uses them; `said` is what happened, in its order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self.note = b""
        self.running_job: Job | None = None
        self.skipped: dict[int, tuple[int, int]] = {}
        self.holds = False
        self.fails: Exception | None = None
        self.stops_in: Phase | None = None
        patch.setattr(running, "FlinkRest", lambda _: self)
        patch.setattr(running, "submit", self._submit)
        patch.setattr(running, "require_room", lambda *_: None)
        patch.setattr(running, "make_outputs", lambda *_: self.said.append("topics"))
        patch.setattr(running, "publish_turns", lambda _, topic, __: self.said.append(f"publish {topic}"))
        patch.setattr(running, "delete_chunks", self._delete)
        patch.setattr(running, "Watch", self._watch)

    # Flink
    def running(self, _: str) -> Job | None:
        return self.running_job

    def stop_with_savepoint(self, job_id: str, _: float) -> str:
        self.said.append(f"stop {job_id}")
        self.running_job = None
        return f"savepoint-of-{job_id}"

    # what is kept
    def put(self, note: bytes) -> None:
        self.note = note
        found = Replay.decode(note)
        assert found is not None
        self.said.append(f"note {found.phase}")

    def forget(self) -> None:
        self.note = b""
        self.said.append("forget")

    # the store
    def note_skipped(self, gaps: dict[int, tuple[int, int]]) -> None:
        self.skipped = dict(gaps)

    def holds_anything(self) -> bool:
        return self.holds

    def _submit(
        self, _: str, __: object, settings: ScoreEventsSettings, origin: str | None, *___: Any, **how: bool
    ) -> Submitted:
        if self.fails is not None:
            raise self.fails
        kind = "chunks" if settings.chunks_topic else settings.start_offsets or "live"
        until = f"-{settings.until_offsets}" if settings.until_offsets else ""
        self.said.append(f"submit {kind}{until} from {origin}" + (" dropping" if how["drops_state"] else ""))
        number = sum(said.startswith("submit") for said in self.said)
        self.running_job = Job(f"j{number}", "score-events again", "RUNNING")
        return Submitted(f"j{number}", origin or "")

    def _delete(self, _: object, topic: str) -> str:
        self.said.append(f"delete {topic}")
        return ""

    def _watch(self, _: object, __: str, replay: Replay, job_id: str, ___: float) -> World:
        self.said.append(f"watch {job_id} {replay.phase}")
        self._phase = replay.phase
        return self

    def until_done(self, _: object, stop: Event) -> Drained | None:
        return None if self._phase is self.stops_in else Drained(9, Progress(9))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def run_of(world: World, replay: Replay) -> ReplayRun:
    notes: Any = world
    return ReplayRun(StackSettings.load(), "again", replay, notes, secrets={}, say=world.said.append)


def begin(world: World, replay: Replay, gaps: dict[int, tuple[int, int]] | None = None) -> ReplayRun:
    store: Any = world
    made = run_of(world, replay)
    made.begin(Plan(Planned(replay.parts, gaps or {}), replay.lake, []), store)
    made.go_on(lambda _: None, Event())
    return made


def test_a_replay_of_the_topic_ends_by_itself(world: World) -> None:
    made = begin(world, TOPIC)
    assert world.said == [
        "topics",
        "note topic",
        "submit 0:3-0:9 from None",
        "watch j1 topic",
        "stop j1",
        "note done",
    ]
    assert (made.replay.phase, made.savepoint) == (Phase.DONE, "savepoint-of-j1")


def test_from_the_lake_into_the_topic(world: World) -> None:
    begin(world, BOTH, {0: (5, 6)})
    assert world.said == [
        "topics",
        "publish again.chunks.1",
        "note lake",
        "submit chunks from None dropping",
        "watch j1 lake",
        "stop j1",
        "note topic",
        "submit 0:5-0:9 from savepoint-of-j1 dropping",
        "delete again.chunks.1",
        "watch j2 topic",
        "stop j2",
        "note done",
    ]
    assert world.skipped == {0: (5, 6)}


def test_from_the_lake_until_it_is_live(world: World) -> None:
    made = begin(world, LIVE)
    assert world.said[-5:] == [
        "delete again.chunks.1",
        "watch j2 topic",
        "stop j2",
        "note live",
        "submit live from savepoint-of-j2 dropping",
    ]
    assert (
        "submit 0:5 from savepoint-of-j1 dropping" in world.said
    )  # never with an end: records behind it would be lost
    assert made.replay.is_over


def test_one_whose_job_does_not_start_leaves_nothing(world: World) -> None:
    world.fails = StackError("no slots")
    with pytest.raises(StackError, match="no slots"):
        begin(world, BOTH)
    assert world.note == b""
    assert world.said[-2:] == ["forget", "delete again.chunks.1"]


def test_a_command_that_is_stopped_leaves_the_job_and_another_goes_on(world: World) -> None:
    world.stops_in = Phase.TOPIC
    assert not begin(world, TOPIC).replay.is_over
    assert world.running_job is not None
    known = Replay.decode(world.note)
    assert known is not None
    world.stops_in = None
    store: Any = world
    second = run_of(world, known)
    second.take_up(store)
    second.go_on(lambda _: None, Event())
    assert world.said[-3:] == ["watch j1 topic", "stop j1", "note done"]


@pytest.mark.parametrize(
    ("replay", "submitted"),
    [
        (BOTH, "submit chunks from latest dropping"),
        (BOTH.in_phase(Phase.TOPIC), "submit 0:5-0:9 from latest dropping"),
        (LIVE.in_phase(Phase.LIVE), "submit live from latest dropping"),
    ],
)
def test_a_job_that_the_cluster_lost_is_submitted_again_in_its_phase(
    world: World, replay: Replay, submitted: str
) -> None:
    store: Any = world
    run_of(world, replay).take_up(store)
    assert world.said[:2] == ["topics", submitted]


def test_without_a_checkpoint_it_begins_again_unless_there_is_something_to_repeat(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = world
    nothing = InputError("no savepoint")
    calls: list[str | None] = []

    def submit(*arguments: Any, **_: bool) -> Submitted:
        calls.append(arguments[3])
        if arguments[3] == "latest":
            raise nothing
        return Submitted("j", "")

    monkeypatch.setattr(running, "submit", submit)
    world.holds = True
    with pytest.raises(InputError, match="no savepoint"):
        run_of(world, TOPIC).take_up(store)
    world.holds = False
    run_of(world, TOPIC).take_up(store)
    assert calls == ["latest", "latest", None]
