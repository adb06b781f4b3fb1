"""Users who go quiet: every session is published in time, and every call of a timer is short."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jobs.operators.score_blocks
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.state.v1.state_pb2 import QuietList
from jobs.operators.pacing import REST_MS_MAX
from state_schemas import codec
from state_schemas.due import PAGE_USERS_MAX
from tests.builders import HOUR, MINUTE, SECOND, T0, block, message
from tests.fake_flink import Task
from tests.unit.jobs.projects import folder
from udfs.shards import shard_keys

NOW = T0 + 10 * HOUR
GAP_MS = 30 * MINUTE
GRID_MS = 10 * SECOND
KEYS = shard_keys(8)
NO_AGES = "project: {name: quiet, ages: []}\n"
GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    return Task(monkeypatch, NOW, declarations=folder(NO_AGES))


def send(task: Task, users: list[str], key: int = KEYS[3], at_ms: int | None = None) -> list[Any]:
    """A block with an event of each user, as of the task's clock unless told otherwise."""
    since_ms = (task.now_ms if at_ms is None else at_ms) - T0
    made = block(*(message(user, since_ms) for user in users))
    return task.block(key, (made.keys, made.values, made.partitions, made.offsets, [task.now_ms] * len(made)))


def published(outputs: list[Any]) -> list[ClosedSession]:
    """The sessions that were published for the first time."""
    found = [ClosedSession.FromString(value) for row in outputs for value in row[1].values()]
    return [session for session in found if session.revision == 1]


def test_a_crowd_that_goes_quiet_is_checked_in_small_calls(task: Task) -> None:
    crowd = [f"u{number}" for number in range(2_500)]
    for start in range(0, len(crowd), 500):
        send(task, crowd[start : start + 500])
    seen: list[str] = []
    calls = 0
    while task.timers:
        task.now_ms = max(task.now_ms, min(task.timers)[0])
        now_published = published(task.fire())
        assert len(now_published) < 2 * PAGE_USERS_MAX
        seen += [session.user_id for session in now_published]
        calls += 1
    assert sorted(seen) == sorted(crowd)
    assert calls <= 2_500 // PAGE_USERS_MAX + 2
    assert task.now_ms <= NOW + GAP_MS + GRID_MS + calls * REST_MS_MAX
    assert task.mails == [1] * calls
    assert not task.backend.maps["due"][KEYS[3]]
    assert not task.backend.maps["due_pages"][KEYS[3]]


def test_the_thread_rests_between_the_checks_of_all_its_shards(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flink serves all timers that are due before the next block, so shards must not take turns without a pause."""
    clock_s = iter(n / 50 for n in range(1_000_000))  # a check takes 20 ms
    monkeypatch.setattr(jobs.operators.score_blocks, "monotonic", lambda: next(clock_s))
    for key in KEYS[:4]:
        send(task, [f"{key}-{number}" for number in range(3 * PAGE_USERS_MAX)], key)
    task.now_ms = NOW + GAP_MS + GRID_MS
    checks: list[int] = []
    while task.timers:
        task.now_ms = max(task.now_ms, min(task.timers)[0])
        if published(task.fire()):
            checks.append(task.now_ms)
    assert len(checks) >= 12
    assert all(later - earlier > 20 for earlier, later in pairwise(checks))


def test_shards_check_at_different_moments(task: Task) -> None:
    for key in KEYS:
        send(task, [f"of-{key}"], key)
    assert len({at_ms for at_ms, _ in task.timers}) == len(KEYS)
    assert all(NOW + GAP_MS <= at_ms < NOW + GAP_MS + GRID_MS for at_ms, _ in task.timers)


def test_after_a_downtime_barriers_pass_between_small_calls(task: Task) -> None:
    users = []
    for key in KEYS:
        for minute in range(3):
            task.now_ms = NOW + minute * MINUTE
            users += [f"u{key}-{minute}-{number}" for number in range(300)]
            send(task, users[-300:], key)
    task.open()
    task.now_ms = NOW + 5 * HOUR
    seen: list[str] = []
    while task.timers:
        checked = published(task.fire())
        assert len(checked) < 2 * PAGE_USERS_MAX  # of all shards: a barrier may pass before the next
        seen += [session.user_id for session in checked]
        task.now_ms += 1
    assert sorted(seen) == sorted(users)


def test_active_users_are_queued_again_without_a_write(task: Task) -> None:
    send(task, ["active", "quiet"])
    task.now_ms += 20 * MINUTE
    send(task, ["active"])
    task.backend.accesses.clear()
    (session,) = published(task.advance(NOW + GAP_MS + GRID_MS))
    assert session.user_id == "quiet"
    assert task.backend.accesses["users.put_all"] == 1
    assert task.backend.accesses["users.get"] == 0  # both are in memory
    (session,) = published(task.advance(NOW + 20 * MINUTE + GAP_MS + GRID_MS))
    assert session.user_id == "active"


def test_a_clock_that_is_set_back_repeats_no_check_at_once(task: Task) -> None:
    send(task, ["u1"])
    (timer,) = task.timers
    task.now_ms = NOW - HOUR  # Flink waits for a length of time, and fires nevertheless
    task.timers.clear()
    task.backend.key = timer[1]
    outputs = task.operator.on_timer(timer[0], _context(task, timer[1]))
    assert [session.user_id for session in published(outputs)] in (["u1"], [])
    assert all(at_ms > timer[0] for at_ms, _ in task.timers)
    task.advance(NOW + 3 * HOUR)
    assert task.counts["sessions_closed"] == 1


def _context(task: Task, key: int) -> Any:
    from tests.fake_flink import FakeContext  # noqa: PLC0415

    return FakeContext(key, task.timers, task.watermark_ms)


def test_a_list_of_an_earlier_release_whose_timer_comes_during_a_rest_is_served_after_it(task: Task) -> None:
    send(task, ["u1"])
    at_ms = NOW + GAP_MS
    states = task.backend.maps["users"][KEYS[3]]
    task.backend.maps["users"][KEYS[3]] = {"u1": _listed_at(task, at_ms, states["u1"])}
    for name in ("due", "due_pages"):
        task.backend.maps[name].clear()
    task.backend.maps["quiet"][KEYS[3]] = {at_ms: codec.encode(QuietList(user_ids=["u1"]))}
    task.timers = {(at_ms, KEYS[3])}
    task.open()
    task.operator._pacing.ended(at_ms - 10, 20, 0)  # another shard of the thread was served just now
    assert published(task.advance(at_ms)) == []
    assert [session.user_id for session in published(task.advance(at_ms + REST_MS_MAX))] == ["u1"]


def test_a_list_of_an_earlier_release_is_served(task: Task) -> None:
    golden = (GOLDEN / "quiet_list_v1.bin").read_bytes()
    names = list(codec.decode(golden, QuietList).user_ids)
    crowd = names + [f"v{number}" for number in range(700)]
    for start in range(0, len(crowd), 400):
        send(task, crowd[start : start + 400])
    # As earlier releases left it: one list under the timer's time, also in the users' states, on one grid for all.
    at_ms = -(-(NOW + GAP_MS) // GRID_MS) * GRID_MS
    listed = codec.decode(golden, QuietList)
    listed.user_ids.extend(crowd[len(names) :])
    states = task.backend.maps["users"][KEYS[3]]
    task.backend.maps["users"][KEYS[3]] = {user: _listed_at(task, at_ms, states[user]) for user in crowd}
    for name in ("due", "due_pages"):
        task.backend.maps[name].clear()
    task.backend.maps["quiet"][KEYS[3]] = {at_ms: codec.encode(listed)}
    task.timers = {(at_ms, KEYS[3])}
    task.open()
    send(task, ["v5"])  # listed already, so not again
    assert len(task.timers) == 1
    seen: list[str] = []
    while task.timers:
        task.now_ms = max(task.now_ms, min(task.timers)[0])
        checked = published(task.fire())
        assert len(checked) < 2 * PAGE_USERS_MAX
        seen += [session.user_id for session in checked]
    assert sorted(seen) == sorted(crowd)
    assert not task.backend.maps["quiet"][KEYS[3]]


def _listed_at(task: Task, at_ms: int, state: bytes) -> bytes:
    from state_schemas.user_state import decode_user, encode_user  # noqa: PLC0415

    timeline = decode_user(state, task.operator._processor.bounds, task.operator._layouts)
    timeline.check_at_ms = at_ms
    return encode_user(timeline, task.operator._layouts)


PAUSES_MS = st.one_of(
    st.integers(0, 3 * MINUTE),
    st.sampled_from([GAP_MS - 1, GAP_MS, GAP_MS + 1, GAP_MS + GRID_MS - 1, GAP_MS + GRID_MS, GAP_MS + GRID_MS + 1]),
    st.integers(GAP_MS, 3 * GAP_MS),
)


@settings(max_examples=40)  # each opens an operator or two
@given(
    st.lists(st.tuples(PAUSES_MS, st.sampled_from(["ann", "bob", "eve"])), min_size=1, max_size=25),
    st.integers(0, 25),
    st.integers(0, 2),
)
def test_every_session_is_published_once_and_in_time(
    arrivals: list[tuple[int, str]], restart_at: int, users_kept_max: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        task = Task(patch, NOW, users_kept_max=users_kept_max, declarations=folder(NO_AGES))
        times: dict[str, list[int]] = {}
        found: list[tuple[str, int]] = []

        def check(until_ms: int) -> None:
            while task.timers and min(task.timers)[0] <= until_ms:
                task.now_ms = max(task.now_ms, min(task.timers)[0])
                for session in published(task.fire()):
                    if session.closed_by == ClosedSession.CLOSED_BY_QUIET:
                        assert 0 <= task.now_ms - session.end_time_ms - GAP_MS <= 2 * GRID_MS
                    found.append((session.user_id, session.start_time_ms))
            task.now_ms = max(task.now_ms, until_ms)

        for number, (pause_ms, user) in enumerate(arrivals):
            if number == restart_at:
                task.open()
            check(task.now_ms + pause_ms)
            times.setdefault(user, []).append(task.now_ms)
            outputs = send(task, [user])
            found += [(session.user_id, session.start_time_ms) for session in published(outputs)]
        check(task.now_ms + 3 * GAP_MS)
    expected = [
        (user, at_ms)
        for user, mine in times.items()
        for before_ms, at_ms in zip([0, *mine], mine, strict=False)
        if at_ms - before_ms > GAP_MS
    ]
    assert sorted(found) == sorted(expected)
    assert not task.timers
