"""A job that is submitted again, as its operator sees it: nothing is written until all of its state fits."""

from __future__ import annotations

from typing import Any

import pytest

from driftline.errors import SettingError
from driftline.event.v1.event_pb2 import UserEvent
from jobs.lineage import Submission
from sink_connectors.score_value import encode_value
from tests.builders import DAY, HOUR, T0, block, job_settings, message
from tests.fake_flink import Task
from udfs.shards import shard_keys

KEY = shard_keys(8)[3]
NEW_KEY = shard_keys(16)[7]  # no shard of eight


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A job of generation 7, which has scored alice's first fifty events."""
    made = Task(monkeypatch, T0 + HOUR)
    made.block(KEY, columns("alice", 0, 50))
    return made


def columns(user_id: str, first: int, count: int) -> Any:
    events: list[UserEvent] = [message(user_id, at * 1_000) for at in range(first, first + count)]
    made = block(*events)
    return made.keys, made.values, made.partitions, made.offsets, made.timestamps_ms


def resubmit(task: Task, generation: int, *, restored: bool = True, **changed: Any) -> None:
    task.submission = Submission(generation, restored=restored)
    task.open(**changed)


def version(task: Task, user_id: str = "alice") -> tuple[int, int]:
    (stored,) = task.store.read([user_id])
    assert stored is not None
    return stored.generation, stored.accepted_events


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"shards": 16}, "--set shards=8"),
        ({"disorder_ms": 120_000}, "--set disorder_ms=60000"),
        ({"namespace": "typo"}, "--set namespace=main"),
        ({"user_ttl_ms": 30 * DAY}, f"--set user_ttl_ms={90 * DAY}"),
    ],
)
def test_restored_with_other_settings_it_refuses_to_open_and_nothing_changes(
    task: Task, changed: dict[str, Any], says: str
) -> None:
    before = {name: dict(values) for name, values in task.backend.values.items()}
    progress, recorded = task.store.read_progress(), task.store.recorded()
    with pytest.raises(SettingError, match=says):
        resubmit(task, 9, **changed)
    assert task.backend.values == before
    assert (task.store.read_progress(), task.store.recorded()) == (progress, recorded)
    assert version(task) == (7, 50)

    resubmit(task, 10, **{name: getattr(job_settings(), name) for name in changed})
    task.block(KEY, columns("alice", 50, 1))
    assert version(task) == (7, 51)


def test_subtask_without_any_state_refuses_other_shards_by_what_is_recorded(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a parallelism of 16, half of the subtasks see no shard of the eight that there were."""
    monkeypatch.setattr("tests.fake_flink.FakeSubtask.keys", (NEW_KEY,))
    with pytest.raises(SettingError, match="--set shards=8"):
        resubmit(task, 9, shards=16)
    resubmit(task, 9, restored=False, shards=16)  # from nothing it may: nothing of before is mixed with it
    assert task.store.recorded().shards == 16


def test_every_shard_has_state_once_the_job_has_opened(task: Task) -> None:
    assert set(task.backend.values["shard"]) == set(shard_keys(8))


def test_stray_job_is_outranked_by_the_restored_one_with_a_new_generation(task: Task) -> None:
    stray = task.backend.values["shard"].copy(), task.backend.maps["users"].copy()
    task.backend.values["shard"], task.backend.maps["users"] = {}, task.backend.maps["none"]
    resubmit(task, 2_000, restored=False)  # driftline submit, by mistake
    task.block(KEY, columns("alice", 0, 2))
    assert version(task) == (2_000, 2)

    task.backend.values["shard"], task.backend.maps["users"] = stray
    with pytest.raises(SettingError, match=r"2000.*--new-generation"):
        resubmit(task, 3_000)
    assert version(task) == (2_000, 2)
    resubmit(task, 3_000, new_generation=True)
    task.block(KEY, columns("alice", 50, 1))
    assert version(task) == (3_000, 51)
    task.open()  # a restart of it: the generation is in the state
    task.block(KEY, columns("alice", 51, 1))
    assert version(task) == (3_000, 52)
    resubmit(task, 4_000, new_generation=False)  # and needs no flag the next time
    task.block(KEY, columns("alice", 52, 1))
    assert version(task) == (3_000, 53)


def test_values_of_a_later_job_that_runs_beside_it_are_counted(task: Task) -> None:
    task.store.write([("alice", encode_value(2_000, 1, b"x"))], None)
    task.block(KEY, columns("alice", 50, 1))
    task.block(KEY, columns("bob", 0, 1))
    assert (task.counts["scores_written"], task.counts["scores_outranked"]) == (2, 1)


def test_user_who_returns_after_the_time_to_live_was_lowered_is_not_frozen(task: Task) -> None:
    task.block(KEY, columns("alice", 50, 450))
    with pytest.raises(SettingError, match="--new-generation"):
        resubmit(task, 2_000, user_ttl_ms=30 * DAY, adopt="user_ttl_ms")
    resubmit(task, 2_000, user_ttl_ms=30 * DAY, adopt="user_ttl_ms", new_generation=True)
    task.backend.maps["users"].clear()  # 37 days later Flink has dropped her; Redis keeps her value for 90
    task.open()
    task.now_ms += 40 * DAY
    task.block(KEY, columns("alice", 40 * 86_400, 1))
    assert version(task) == (2_000, 1)


def test_restored_under_another_name_the_state_belongs_to_that_one(task: Task) -> None:
    resubmit(task, 9, namespace="renamed", adopt="namespace")
    resubmit(task, 10, adopt="")
    with pytest.raises(SettingError, match="--set namespace=renamed"):
        resubmit(task, 11, namespace="main")


def test_a_clock_that_is_behind_is_reported_before_anything_is_written(task: Task) -> None:
    task.backend.values["shard"].clear()
    with pytest.raises(SettingError, match="clock"):
        resubmit(task, 6, restored=False)
    assert version(task) == (7, 50)


def test_a_new_job_sets_the_progress_of_every_shard(task: Task) -> None:
    assert set(task.store.read_progress()) == set(shard_keys(8))
    task.backend.values["shard"].clear()
    resubmit(task, 9, restored=False)
    assert {progress.events for progress in task.store.read_progress().values()} == {0}
