"""Extending the pipeline: a gate, a stage or an output takes one file and one entry."""

from __future__ import annotations

import pytest

import jobs.pipeline
from console.local.topics import topics
from console.settings import StackSettings
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import processor_of
from tests.builders import HOUR, MINUTE, SECOND, T0, block, fold_block, job_settings, message, scores_of, timelines
from tests.fake_flink import Task
from tests.throwaway_output import ENTRY, GREETINGS
from tests.unit.jobs.projects import folder, settings_of
from tests.unit.jobs.test_score_blocks import columns
from udfs.event import Event
from udfs.rejects import InvalidEventError, Reason
from udfs.shards import shard_keys

NOW = T0 + 10 * HOUR
KEY = shard_keys(8)[3]


@pytest.mark.parametrize("place", [0, 1, 3])
def test_an_output_is_a_file_and_an_entry(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = list(jobs.pipeline.STAGES)
    stages.insert(place, ENTRY)
    monkeypatch.setattr(jobs.pipeline, "STAGES", tuple(stages))
    assert topics(StackSettings.load())["greetings"]["retention.ms"] == "-1"  # `driftline up` makes it
    column = [topic.role for topic in jobs.pipeline.stage_topics()].index(GREETINGS.role)
    task = Task(monkeypatch, NOW)
    (row,) = task.block(KEY, columns(message("u1"), message("u2"), message("u1", at_ms=5)))
    assert (len(row), row[column]) == (4, {"u1": b"hello 2", "u2": b"hello 1"})
    (row,) = task.advance(NOW + 30 * MINUTE + 10 * SECOND)
    assert row[column] == {"u1": b"bye", "u2": b"bye"}


def test_a_gate_is_a_file_and_an_entry_and_may_complete_or_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tidy:
        def admit(self, user_id: str, event: Event) -> None:
            if event.category == "spam":
                raise InvalidEventError(Reason.REFUSED_ID, "no spam")
            event.category = event.category or f"unsorted {user_id}"

    monkeypatch.setattr(jobs.pipeline, "GATES", (*jobs.pipeline.GATES, lambda _: Tidy()))
    processor = processor_of(job_settings(), {})
    records = block(message("bob"), message("bob", at_ms=1, category="hats"), message("bob", at_ms=2, category="spam"))
    shard, users = ShardState(generation=1), timelines()
    result = fold_block(processor, records, shard, users, NOW)
    assert set(scores_of(result)) == {"bob"}
    bob = users.get("bob")
    assert bob is not None
    assert [event.category for event in bob.waiting()] == ["unsorted bob", "hats"]
    assert [dead.headers["driftline.errors.message"] for dead in result.dead_letters] == [b"no spam"]
    assert (shard.accepted, shard.dead_letter) == (2, 1)


def test_a_second_output_of_a_key_follows_in_a_row_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.pipeline, "STAGES", (*jobs.pipeline.STAGES, ENTRY, ENTRY._replace(writes=())))
    rows = Task(monkeypatch, NOW).block(KEY, columns(message("u1"), message("u2")))
    assert [set(row[3]) for row in rows] == [{"u1", "u2"}, {"u1", "u2"}]
    assert [set(row[0]) for row in rows] == [{"u1", "u2"}, set()]


def test_an_output_for_a_topic_that_no_entry_names_is_an_error_and_does_not_vanish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs.pipeline, "STAGES", (*jobs.pipeline.STAGES, ENTRY._replace(writes=())))
    with pytest.raises(KeyError, match="greetings"):
        Task(monkeypatch, NOW).block(KEY, columns(message("u1")))


@pytest.mark.parametrize(("features", "segments", "users"), [(5, 0, 64), (200, 50, 41), (900, 200, 10)])
def test_a_plan_that_evaluates_much_has_fewer_users_in_a_call_of_a_timer(
    features: int, segments: int, users: int
) -> None:
    declared = "".join(f"  f{n}: {{count: VIEW}}\n" for n in range(features))
    conditions = "".join(f"  s{n}: {{when: 'f0 > {n}'}}\n" for n in range(segments))
    text = f"project: {{name: big}}\nfeatures:\n{declared}" + (f"segments:\n{conditions}" if segments else "")
    assert processor_of(settings_of(folder(text)), {}).aged_max == users
