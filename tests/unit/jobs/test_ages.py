"""Silent users through the whole operator: each age is written once, as of the newest event and the age alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.errors import ServiceUnavailable
from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import bounds_of, processor_of
from state_schemas.due import PAGE_USERS_MAX
from state_schemas.layouts import StoredLayouts
from state_schemas.user_state import decode_user
from state_schemas.users import Timelines
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, States, block, event, fold_block, message
from tests.fake_flink import Task
from tests.unit.jobs.projects import folder, plan_of, settings_of
from udfs.event import FORGET, VIEW, Event
from udfs.results import BlockResult, Due
from udfs.shards import shard_keys

NOW = T0 + 10 * HOUR
GAP_MS = 30 * MINUTE
KEY = shard_keys(8)[3]
SCORES_COLUMN, SESSIONS_COLUMN, SEGMENTS_COLUMN = 0, 1, 2
AGES_S = [600, 3_600, 21_600, 86_400, 604_800]
PROJECT = """
project: {name: ages, ages: [10m, 1h, 6h, 1d, 7d]%s}
features:
  views: {count: VIEW}
  weekly: {count: VIEW, half_life: 1d}
scores:
  silence: {expr: 'clamp((as_of_ms - last_event_ms) / 864000000.0, 0.0, 1.0)'}
  activity: {expr: 'weekly / (1.0 + weekly)'}
segments:
  lively: {when: 'weekly >= 0.9'}
"""
WITH_SESSIONS, WITHOUT_SESSIONS = PROJECT % "", PROJECT % ", sessions: false"

Maps = dict[str, dict[int, dict[Any, Any]]]


class Written(NamedTuple):
    """Scores that went to the topic, and when."""

    at_ms: int
    scores: UserScores


class Watch:
    """A task, and what it has put out."""

    def __init__(self, patch: pytest.MonkeyPatch, project: str = WITH_SESSIONS, **changed: Any) -> None:
        self.task = Task(patch, NOW, declarations=folder(project), **changed)
        self.sent = 0
        self.written: list[Written] = []
        self.sessions: list[ClosedSession] = []
        self.changes: list[SegmentChange] = []

    def send(self, *users: str, kind: int = VIEW, late_ms: int = 0) -> Event:
        """A block with an event of each user, dated by the task's clock; returns the last."""
        self.sent += 1
        at_ms = self.task.now_ms - late_ms - T0
        made = block(*(message(user, at_ms, type=kind, event_id=f"e{self.sent}") for user in users))
        columns = made.keys, made.values, made.partitions, made.offsets, [self.task.now_ms] * len(made)
        self._take(self.task.block(KEY, columns))
        return event(at_ms, kind, f"e{self.sent}")

    def until(self, at_ms: int) -> None:
        """Let the clock go on."""
        task = self.task
        while task.timers and min(task.timers)[0] <= at_ms:
            task.now_ms = max(task.now_ms, min(task.timers)[0])
            self._take(task.fire())
        task.now_ms = max(task.now_ms, at_ms)

    def ages(self, user: str) -> list[int]:
        """The ages of what was written of a user, in order."""
        return [one.scores.age_s for one in self.written if one.scores.user_id == user]

    def stored(self, user: str) -> UserScores:
        (found,) = self.task.store.read([user])
        assert found is not None
        return UserScores.FromString(found.scores)

    def _take(self, rows: Sequence[Any]) -> None:
        for row in rows:
            if isinstance(row, tuple):
                continue  # a side output
            scores = [UserScores.FromString(value) for value in row[SCORES_COLUMN].values() if value is not None]
            self.written += [Written(self.task.now_ms, one) for one in scores]
            self.sessions += [ClosedSession.FromString(value) for value in row[SESSIONS_COLUMN].values()]
            self.changes += [SegmentChange.FromString(value) for value in row[SEGMENTS_COLUMN].values()]


class Checkpoint:
    """The state and the timers of a task, as they are now."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._maps = copied(task.backend.maps)
        self._timers = set(task.timers)

    def restore(self) -> None:
        """Open the task over them; the score store stays as it is."""
        self._task.backend.maps = copied(self._maps)
        self._task.timers = set(self._timers)
        self._task.open()


def copied(maps: Maps) -> Maps:
    made: Maps = defaultdict(lambda: defaultdict(dict))
    for name, shards in maps.items():
        for key, entries in shards.items():
            made[name][key] = dict(entries)
    return made


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def test_a_silent_user_is_written_once_at_each_age_and_the_session_once(watch: Watch) -> None:
    watch.send("u1")
    watch.until(NOW + 20 * DAY)
    assert watch.ages("u1") == [0, *AGES_S]
    for age_s, one in zip(AGES_S, watch.written[1:], strict=True):
        assert 0 <= one.at_ms - NOW - age_s * 1_000 <= age_s * 1_000 // 30 + 10 * SECOND
        assert one.scores.scores["silence"] == pytest.approx(min(1.0, age_s / 864_000))
        assert one.scores.accepted_events == 1
    assert [session.closed_by for session in watch.sessions] == [ClosedSession.CLOSED_BY_QUIET]
    assert not watch.task.timers
    assert not watch.task.backend.maps["due"][KEY]
    assert watch.task.counts["scores_aged"] == len(AGES_S)
    assert watch.task.counts["scores_written"] == 1 + len(AGES_S)
    assert watch.stored("u1").age_s == 604_800


def test_ages_work_where_sessions_are_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, WITHOUT_SESSIONS)
    watch.send("u1")
    watch.until(NOW + 20 * DAY)
    assert watch.ages("u1") == [0, *AGES_S]
    assert watch.sessions == []


def test_an_event_resets_and_the_ages_begin_anew(watch: Watch) -> None:
    watch.send("u1")
    watch.until(NOW + 2 * HOUR)
    watch.send("u1")
    assert watch.ages("u1") == [0, 600, 3_600, 0]
    watch.until(NOW + 20 * DAY)
    assert watch.ages("u1") == [0, 600, 3_600, 0, *AGES_S]
    assert len(watch.sessions) == 2
    assert not watch.task.timers


def test_an_event_that_comes_late_resets_as_of_the_newest(watch: Watch) -> None:
    watch.send("u1")
    watch.until(NOW + 3 * HOUR)
    watch.send("u1", late_ms=3 * HOUR + 30 * SECOND)  # before the newest one
    watch.until(NOW + 3 * HOUR + 9 * MINUTE)
    assert watch.ages("u1") == [0, 600, 3_600, 0]
    watch.until(NOW + 7 * HOUR)
    assert watch.ages("u1") == [0, 600, 3_600, 0, 3_600, 21_600]


def test_active_users_are_queued_again_without_a_write(watch: Watch) -> None:
    watch.send("u1")
    watch.until(NOW + 9 * MINUTE)
    watch.send("u1")
    watch.task.backend.accesses.clear()
    watch.until(NOW + 11 * MINUTE)
    assert watch.task.counts["quiet_checks"] == 1
    assert watch.task.backend.accesses["users.put_all"] == 0
    assert watch.ages("u1") == [0, 0]
    watch.until(NOW + 20 * MINUTE)
    assert watch.ages("u1") == [0, 0, 600]


def test_older_entries_write_nothing(watch: Watch) -> None:
    """A user who comes every two hours leaves an entry for the next age each time."""
    for _ in range(40):
        watch.send("u1")
        watch.until(watch.task.now_ms + 2 * HOUR)
    watch.task.backend.accesses.clear()
    checked = watch.task.counts["quiet_checks"]
    for _ in range(10):
        watch.send("u1")
        watch.until(watch.task.now_ms + 2 * HOUR)
    assert watch.task.backend.accesses["users.put_all"] == 10 * (1 + 3)  # the block, quiet, two ages
    assert watch.task.counts["quiet_checks"] - checked <= 10 * 4  # and the entry of an earlier visit
    entries = sum(watch.task.backend.maps["due_pages"][KEY].values())
    assert entries <= 4


def test_a_downtime_of_a_week_writes_the_largest_age_alone(watch: Watch) -> None:
    watch.send("u1")
    watch.task.open()
    watch.task.now_ms = NOW + 8 * DAY
    watch.until(watch.task.now_ms)
    assert watch.ages("u1") == [0, 604_800]
    assert len(watch.sessions) == 1
    assert not watch.task.timers


def test_a_backlog_is_read_before_its_users_are_looked_at(watch: Watch) -> None:
    watch.send("u1", late_ms=2 * DAY)
    watch.until(NOW + 9 * MINUTE)
    watch.send("u1", late_ms=DAY + HOUR)
    watch.until(NOW + 18 * MINUTE)
    assert watch.ages("u1") == [0, 0]
    watch.until(NOW + 20 * MINUTE)
    assert watch.ages("u1") == [0, 0, 86_400]


def test_a_forgotten_user_has_no_ages(watch: Watch) -> None:
    watch.send("u1")
    watch.until(NOW + 2 * HOUR)
    watch.send("u1", kind=FORGET)
    watch.until(NOW + 20 * DAY)
    assert watch.ages("u1") == [0, 600, 3_600]
    assert not watch.task.timers
    (stored,) = watch.task.store.read(["u1"])
    assert stored is not None and stored.is_tombstone


@pytest.mark.parametrize("jump_ms", [-HOUR, HOUR])
def test_a_clock_that_jumps_loses_nothing_and_says_nothing_else(watch: Watch, jump_ms: int) -> None:
    watch.send("u1")
    watch.until(NOW + 2 * HOUR)
    watch.task.now_ms += jump_ms
    watch.until(NOW + 20 * DAY)
    assert watch.ages("u1") == [0, *AGES_S]
    assert len(watch.sessions) == 1


def test_events_after_a_clock_that_was_set_back_are_looked_at_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, disorder_ms=DAY)
    watch.send("u1")
    watch.task.now_ms -= HOUR
    watch.send("u1")  # out of order: an hour before the newest one
    watch.until(NOW - HOUR + GAP_MS + 10 * SECOND)
    assert {session.start_time_ms for session in watch.sessions} == {NOW - HOUR, NOW}
    assert watch.ages("u1") == [0, 0]
    watch.until(NOW + 20 * DAY)
    assert watch.ages("u1") == [0, 0, *AGES_S]


def test_segments_are_left_by_silence(watch: Watch) -> None:
    watch.send("u1")
    assert dict(watch.task.store.segment_members("lively")) == {"u1": NOW}
    watch.until(NOW + 20 * DAY)
    assert [(one.change, one.effective_time_ms - NOW) for one in watch.changes] == [
        (SegmentChange.CHANGE_ENTERED, 0),
        (SegmentChange.CHANGE_LEFT, 21_600_000),
    ]
    assert dict(watch.task.store.segment_members("lively")) == {}
    assert [one.scores.age_s for one in watch.written if one.scores.segments] == [0, 600, 3_600]


def test_checks_write_in_small_calls_one_to_redis_each(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = [f"u{number}" for number in range(300)]
    for start in range(0, 300, 50):
        watch.send(*crowd[start : start + 50])
    calls: list[int] = []
    write = watch.task.store.write

    def counted(values: Sequence[tuple[str, bytes]], *more: Any) -> Any:
        calls.append(len(values))
        return write(values, *more)

    monkeypatch.setattr(watch.task.store, "write", counted)
    watch.until(NOW + 20 * MINUTE)
    assert sum(calls) == 300
    assert max(calls) <= PAGE_USERS_MAX
    assert all(watch.ages(user) == [0, 600] for user in crowd)
    assert not watch.task.operator._users._cached  # who is silent evicts nobody who is not


def test_a_redis_that_fails_in_a_timer_fails_the_task_which_then_writes_the_age(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.send("u1")
    task = watch.task
    checkpoint = Checkpoint(task)

    def fail(*_: Any) -> Any:
        message = "redis://x is unavailable"
        raise ServiceUnavailable(message)

    with monkeypatch.context() as patch:
        patch.setattr(task.store, "write", fail)
        with pytest.raises(ServiceUnavailable):
            watch.until(NOW + 11 * MINUTE)
    checkpoint.restore()
    watch.until(NOW + 11 * MINUTE)
    assert watch.ages("u1") == [0, 600]


@pytest.mark.parametrize("down_ms", [0, 3 * HOUR, 2 * DAY])
def test_after_a_crash_no_age_is_written_with_other_content(watch: Watch, down_ms: int) -> None:
    watch.send("u1", "u2")
    checkpoint = Checkpoint(watch.task)
    watch.until(NOW + 7 * HOUR)
    first, before = watch.ages("u1"), watch.stored("u1")
    checkpoint.restore()
    watch.task.now_ms += down_ms
    watch.until(watch.task.now_ms + MINUTE)
    again = watch.ages("u1")[len(first) :]
    assert again == [86_400 if down_ms > DAY else 21_600]  # those before are skipped
    if down_ms < DAY:
        assert watch.stored("u1") == before  # an age is stored once
    watch.until(NOW + 20 * DAY)
    said: dict[tuple[str, int], UserScores] = {}
    for one in watch.written:
        scores = UserScores.FromString(one.scores.SerializeToString())
        scores.written_at_ms = 0
        assert said.setdefault((scores.user_id, scores.age_s), scores) == scores
    assert watch.stored("u1").age_s == 604_800
    ids = {change.change_id for change in watch.changes}
    assert len(ids) == 2 * 2  # of each user, came in and left


def test_the_age_is_part_of_the_state(watch: Watch) -> None:
    watch.send("u1")
    watch.until(NOW + 2 * HOUR)
    watch.task.open()
    operator = watch.task.operator
    kept = decode_user(watch.task.backend.maps["users"][KEY]["u1"], operator._processor.bounds, operator._layouts)
    assert (kept.age_s, kept.aged) == (3_600, None)
    watch.until(NOW + 20 * DAY)
    assert watch.ages("u1") == [0, *AGES_S]


def test_a_shard_takes_its_queue_along_when_the_job_is_rescaled(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, other = Watch(monkeypatch), Watch(monkeypatch)
    watch.send("u1")
    watch.until(NOW + 2 * HOUR)
    other.task.backend.maps, other.task.backend.values = watch.task.backend.maps, watch.task.backend.values
    other.task.timers, other.task.now_ms = watch.task.timers, watch.task.now_ms
    other.task.open()
    other.until(NOW + 20 * DAY)
    assert other.ages("u1") == [21_600, 86_400, 604_800]


def test_how_far_checks_are_behind_is_shown(watch: Watch) -> None:
    watch.send("u1")
    watch.task.now_ms = NOW + 2 * HOUR
    watch.until(watch.task.now_ms)
    assert 6_000 < watch.task.counts["checks_behind_s"] <= 6_600


def checked_in_parts(cuts: list[int], project: str) -> list[UserScores]:
    """What ten users are written as at an age, checked in calls of these sizes."""
    made = settings_of(folder(project))
    fold, shard = processor_of(made, {}), ShardState(generation=7)
    layouts = StoredLayouts(plan_of(made.declarations).layout)
    users = Timelines(States(), fold.bounds, 5, 2**26, layouts)  # half of them are read
    names = [f"u{n}" for n in range(10)]
    fold_block(fold, block(*(message(name, n * MINUTE) for n, name in enumerate(names))), shard, users, NOW)
    due = [Due(name, NOW + DAY) for name in names]
    found: list[UserScores] = []
    sizes = iter([*cuts, *[len(due)] * len(due)])
    while due:
        part = due[: next(sizes)]
        result: BlockResult = fold.check_due(part, shard, users, NOW + DAY)
        assert all(timeline.aged is None for timeline in result.timelines.values())
        users.put_all(result.timelines, cache=False)
        found += [UserScores.FromString(one.scores or b"") for one in result.scored]
        due = due[result.taken :]
    return found


@given(st.lists(st.integers(1, 5), max_size=10), st.sampled_from([WITH_SESSIONS, WITHOUT_SESSIONS]))
def test_scores_do_not_depend_on_how_checks_are_cut_into_calls(cuts: list[int], project: str) -> None:
    assert checked_in_parts(cuts, project) == checked_in_parts([], project)


USERS = ["ann", "bob", "eve"]
PAUSES_MS = st.one_of(
    st.integers(0, 20 * MINUTE),
    st.sampled_from([600_000, 600_000 + 20 * SECOND, GAP_MS, GAP_MS + 10 * SECOND, HOUR, HOUR + 2 * MINUTE]),
    st.integers(0, 2 * DAY),
    st.just(9 * DAY),
)
STEPS = st.one_of(
    st.tuples(st.just("event"), st.sampled_from(USERS), st.integers(0, 20 * HOUR)),
    st.tuples(st.just("restart"), st.just(""), st.just(0)),
    st.tuples(st.just("down"), st.just(""), st.integers(0, 8 * DAY)),
    st.tuples(st.just("jump"), st.just(""), st.sampled_from([-HOUR, HOUR])),
)


@settings(max_examples=30)  # each opens an operator or more
@given(
    st.lists(st.tuples(PAUSES_MS, STEPS), min_size=1, max_size=20),
    st.integers(0, 3),
    st.sampled_from([WITH_SESSIONS, WITHOUT_SESSIONS]),
)
def test_whatever_happens_each_idle_user_ends_at_the_largest_age(
    steps: list[tuple[int, tuple[str, str, int]]], users_kept_max: int, project: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch, project, users_kept_max=users_kept_max, disorder_ms=DAY)
        events: dict[str, list[Event]] = {}
        for pause_ms, (what, user, number) in steps:
            watch.until(watch.task.now_ms + pause_ms)
            if what == "event":
                events.setdefault(user, []).append(watch.send(user, late_ms=number))
            elif what == "jump":
                watch.task.now_ms += number
            else:
                watch.task.open()
                watch.task.now_ms += number
        watch.until(watch.task.now_ms + 9 * DAY)
        assert not watch.task.timers
        for name in ("due", "due_pages"):
            assert not watch.task.backend.maps[name][KEY]
        for user, mine in events.items():
            require_ages(watch, user, mine, jumped=any(what == "jump" for _, (what, _, _) in steps))


def require_ages(watch: Watch, user: str, events: Sequence[Event], *, jumped: bool) -> None:
    """What was written of a user is each age once, as the plan evaluates it, and ends with the largest."""
    written = [one for one in watch.written if one.scores.user_id == user]
    versions = [(one.scores.accepted_events, one.scores.age_s) for one in written]
    assert versions == sorted(set(versions))
    accepted = written[-1].scores.accepted_events
    assert versions[-1] == (accepted, AGES_S[-1])
    assert {number for number, age_s in versions if not age_s} == set(range(1, accepted + 1))
    assert watch.stored(user).age_s == AGES_S[-1]
    if accepted < len(events):
        return  # some were late
    plan = plan_of(watch.task.settings.declarations)
    bound = bounds_of(watch.task.settings, plan).profile
    for at_ms, scores in written:
        folded = sorted(events[: scores.accepted_events])
        profile = plan.blank()
        for one in folded:
            plan.fold(profile, one, bound)
        as_of_ms = folded[-1].time_ms + 1_000 * scores.age_s
        aged = plan.aged(profile, scores.age_s) if scores.age_s else profile
        reading = plan.reading(aged, as_of_ms)
        expected = dict(zip([name for name, _ in plan.formulas], reading.scores, strict=True))
        assert dict(scores.scores) == expected
        assert jumped or as_of_ms <= at_ms
