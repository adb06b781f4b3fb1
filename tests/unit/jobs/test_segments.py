"""Declared segments through the whole operator: fold, topic, lists in the score store, restarts."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from jobs.bundle import Bound
from jobs.pipeline import processor_of
from jobs.plans import plan_for
from jobs.segment_writes import segment_write
from jobs.settings import ScoreEventsSettings
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_value import encode_values
from state_schemas.layouts import StoredLayouts
from state_schemas.users import Timelines
from tests.builders import HOUR, MINUTE, SECOND, T0, States, block, fold_block, message
from tests.fake_flink import Task
from udfs.event import CLICK, FORGET, VIEW
from udfs.shards import shard_keys

NOW = T0 + 10 * HOUR
KEY = shard_keys(8)[3]
SEGMENTS_COLUMN = 2
DECLARATIONS = """
project: {name: clicks}
features:
  clicks: {count: CLICK, scope: session}
  views: {count: VIEW}
  all_clicks: {count: CLICK}
segments:
  eager: {enter: 'clicks >= 3', leave: 'clicks < 1', min_stay: 30s}
  viewers: {when: 'views >= 1'}
  odd: {when: 'all_clicks % 2.0 == 1.0'}
"""


@functools.cache
def folder() -> Path:
    made = Path(tempfile.mkdtemp())
    (made / "segments.yaml").write_text(DECLARATIONS)
    return made


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    return Task(monkeypatch, NOW, declarations=folder())


def send(task: Task, *messages: UserEvent) -> list[SegmentChange]:
    """Give the task a block; returns the changes that it sends to the topic."""
    made = block(*messages)
    columns = made.keys, made.values, made.partitions, made.offsets, made.timestamps_ms
    rows = task.block(KEY, columns)
    changes = [SegmentChange.FromString(value) for row in rows for value in row[SEGMENTS_COLUMN].values()]
    return [change for change in changes if change.segment != "odd"]  # that is for the properties below


def clicks(*at_ms: int, user_id: str = "u1") -> list[UserEvent]:
    return [message(user_id, at, type=CLICK) for at in at_ms]


def told(changes: Sequence[SegmentChange]) -> list[tuple[str, str, int]]:
    return [(one.segment, SegmentChange.Change.Name(one.change), one.effective_time_ms - T0) for one in changes]


def stored_segments(task: Task) -> list[tuple[str, int]]:
    (stored,) = task.store.read(["u1"])
    assert stored is not None
    return [(one.name, one.since_ms - T0) for one in UserScores.FromString(stored.scores).segments if one.name != "odd"]


def test_who_comes_in_and_leaves_is_in_the_scores_the_topic_and_the_lists(task: Task) -> None:
    assert send(task, *clicks(1, 2)) == []
    entered = send(task, *clicks(3, 4))
    assert told(entered) == [("eager", "CHANGE_ENTERED", 3)]
    assert stored_segments(task) == [("eager", 3)]
    assert dict(task.store.segment_members("eager")) == {"u1": T0 + 3}
    assert task.store.segments().keys() == {"eager", "odd", "viewers"}
    left = send(task, message("u1", HOUR, type=VIEW))
    assert told(left) == [("eager", "CHANGE_LEFT", HOUR), ("viewers", "CHANGE_ENTERED", HOUR)]
    assert stored_segments(task) == [("viewers", HOUR)]
    assert dict(task.store.segment_members("eager")) == {}
    assert task.counts["segments_entered{segment=eager}"] == 1
    assert task.counts["segments_left{segment=eager}"] == 1


def test_a_replay_after_a_crash_repeats_the_ids(task: Task) -> None:
    send(task, *clicks(1, 2))
    users = {key: dict(states) for key, states in task.backend.maps["users"].items()}
    first = send(task, *clicks(3))
    task.backend.maps["users"].update(users)  # the checkpoint was taken before
    task.open()
    again = send(task, *clicks(3, 5))
    assert [one.change_id for one in again] == [one.change_id for one in first]
    assert told(again) == [("eager", "CHANGE_ENTERED", 3)]


def test_a_forget_ends_memberships_everywhere(task: Task) -> None:
    send(task, *clicks(1, 2, 3))
    (left,) = send(task, message("u1", MINUTE, type=FORGET))
    assert (left.change, left.cause) == (SegmentChange.CHANGE_LEFT, SegmentChange.CAUSE_FORGET)
    assert dict(task.store.segment_members("eager")) == {}
    assert stored_segments(task) == []


def test_a_job_without_segments_writes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(monkeypatch, NOW)
    assert send(task, *clicks(1, 2, 3)) == []
    assert task.store.segments() == {}


class Job:
    """The core and a store, from blocks of any cut; a crash goes back to the last checkpoint."""

    def __init__(self, store: InMemoryScoreStore) -> None:
        self.settings = ScoreEventsSettings.load(declarations=folder(), disorder_ms=MINUTE)
        self.plan = plan_for(self.settings)
        self.store = store
        self.names = [segment.name for segment in self.plan.segments]
        self.epoch = store.declare_segments({segment.name: segment.definition for segment in self.plan.segments})
        self.changes: dict[str, SegmentChange] = {}
        self.states = States()
        self.checkpoint = States()
        self.open()

    def open(self) -> None:
        self.processor = processor_of(self.settings, {}, Bound(self.plan))
        layouts = StoredLayouts(self.plan.layout)
        self.users = Timelines(self.states, self.processor.bounds, 100, 2**26, layouts)

    def crash(self) -> None:
        self.states = States(self.checkpoint)
        self.open()

    def send(self, messages: Sequence[UserEvent]) -> None:
        result = fold_block(self.processor, block(*messages), ShardState(generation=1), self.users, NOW)
        members = segment_write(KEY, 1, self.names, self.epoch, result)
        self.store.write(encode_values(1, result.scored), None, members=members)
        for _, value in result.outputs.get("segments", []):
            change = SegmentChange.FromString(value or b"")
            self.changes[change.change_id] = change

    def memberships(self) -> dict[str, dict[str, int]]:
        return {name: dict(self.store.segment_members(name)) for name in self.names}

    def consumer(self) -> dict[str, dict[str, int]]:
        """What a reader of the topic has: of each user and segment the newest change."""
        newest: dict[tuple[str, str], SegmentChange] = {}
        for change in self.changes.values():
            before = newest.get((change.segment, change.user_id))
            if before is None or before.accepted_events < change.accepted_events:
                newest[change.segment, change.user_id] = change
        found: dict[str, dict[str, int]] = {name: {} for name in self.names}
        for (segment, user_id), change in newest.items():
            if change.change == SegmentChange.CHANGE_ENTERED:
                found[segment][user_id] = change.since_ms
        return found


EVENTS = st.lists(
    st.tuples(st.sampled_from(["u1", "u2"]), st.integers(0, 20), st.sampled_from([CLICK, CLICK, CLICK, VIEW])),
    max_size=25,
)


def history_of(events: Sequence[tuple[str, int, int]]) -> list[UserEvent]:
    return [
        message(user_id, at * 2 * SECOND + number, event_id=f"e{number}", type=kind)
        for number, (user_id, at, kind) in enumerate(events)
    ]


def in_order(history: Sequence[UserEvent]) -> list[UserEvent]:
    return sorted(history, key=lambda one: (one.event_time_ms, one.event_id))


def expected(history: Sequence[UserEvent]) -> dict[str, dict[str, int]]:
    """The members after the events in order, one at a time."""
    job = Job(InMemoryScoreStore())
    for one in in_order(history):
        job.send([one])
    assert job.consumer() == job.memberships()
    return job.memberships()


@given(st.data(), EVENTS)
@settings(max_examples=60, deadline=None)
def test_any_order_and_cut_ends_with_the_same_members(data: st.DataObject, events: list[tuple[str, int, int]]) -> None:
    history = history_of(events)
    arrivals, job, at = data.draw(st.permutations(history)), Job(InMemoryScoreStore()), 0
    while at < len(arrivals):
        end = data.draw(st.integers(at + 1, len(arrivals)))
        job.send(arrivals[at:end])
        at = end
    assert job.memberships() == expected(history)
    assert job.consumer() == job.memberships()


@given(st.data(), EVENTS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_crash_ends_with_the_same_members(
    data: st.DataObject, events: list[tuple[str, int, int]], ordered: bool
) -> None:
    """In whatever blocks the replay comes; what late events take back just before a crash, the topic may miss."""
    history = history_of(events)
    arrivals = in_order(history) if ordered else data.draw(st.permutations(history))
    job, at, since = Job(InMemoryScoreStore()), 0, 0
    for _ in range(4):
        if at == len(arrivals):
            break
        end = data.draw(st.integers(at + 1, len(arrivals)))
        job.send(arrivals[at:end])
        at = end
        step = data.draw(st.sampled_from(["go on", "checkpoint", "crash"]))
        if step == "checkpoint":
            job.checkpoint, since = States(job.states), at
        elif step == "crash":
            job.crash()
            at = since
    if at < len(arrivals):
        job.send(arrivals[at:])
    assert job.memberships() == expected(history)
    if ordered:
        assert job.consumer() == job.memberships()
