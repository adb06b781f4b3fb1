"""The projects of examples/, from their files to what services read: scores, explanations, segments and their changes.

What is expected is what the core makes of the same events without a stack (tests/example_projects.py).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from driftline.client import ScoresClient
from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.model_scores import model_scores_of
from tests.e2e import records
from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import RealStack, eventually
from tests.example_projects import EXAMPLES, Example, Outcome, folded, last_changes, memberships, on_models
from udfs.plan.plan import Plan

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ENTERED = SegmentChange.CHANGE_ENTERED


@dataclass(frozen=True)
class Run:
    """A project in a namespace of its own, after its whole history."""

    example: Example
    space: Namespace
    messages: list[UserEvent]
    models_dir: Path
    counters: Counters

    @cached_property
    def expected(self) -> Outcome:
        return folded(self.example, self.messages, self.models_dir)

    @cached_property
    def plan(self) -> Plan:
        return self.example.plan()

    @cached_property
    def seen_late(self) -> set[str]:
        """Segments over models: since when depends on when a user was scored."""
        return on_models(self.plan)

    def without_since(self, scores: dict[str, Any]) -> dict[str, Any]:
        """Scores with the segments' times, but for those that depend on when a user was scored."""
        return {**scores, "segments": memberships(scores, self.seen_late)}

    def members(self, scores: dict[str, dict[str, Any]], segment: str) -> dict[str, int]:
        """The members of a segment, and since when; 0 where that is not to be compared."""
        found = {user_id: memberships(one, self.seen_late) for user_id, one in scores.items()}
        return {user_id: inside[segment] for user_id, inside in found.items() if segment in inside}


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda example: example.name)
def run(stack: RealStack, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    example: Example = request.param
    folder = tmp_path_factory.mktemp(example.name)
    file, models_dir = example.write_history(folder / "history.jsonl"), folder / "models"
    models_dir.mkdir()
    project = ("--declarations", str(example.folder), "--models-dir", str(models_dir))
    for score in model_scores_of(example.plan().data):
        stack.driftline("train", score.name, "--events", str(file), *project, *example.mapped)
    space = Namespace(stack, example.name, {"declarations": example.folder, "models_dir": models_dir})
    stack.driftline("publish", str(file), *example.mapped, env=space.env)
    space.submit()
    messages = [message for message, _ in example.reader(file)]
    return Run(example, space, messages, models_dir, space.drain())


def test_every_event_is_accepted_and_every_score_is_that_of_the_core(run: Run) -> None:
    number = len(run.messages)
    assert run.counters == Counters(number, number, number, 0, 0, 0)
    found = run.space.scores()
    assert found.keys() == run.expected.scores.keys()
    for user_id, scores in found.items():
        assert run.without_since(scores) == run.without_since(run.expected.scores[user_id])


def test_grpc_answers_scores_and_explains_them_by_the_declared_features(run: Run) -> None:
    users = sorted(run.expected.scores)[::40]
    driftline, named = run.space.stack.driftline, ("--json", "--namespace", run.space.name)
    for line in driftline("scores", *named, *users).splitlines():
        scores = json.loads(line)
        assert int(scores.pop("writtenAtMs")) >= int(scores.pop("generation")) > 0
        assert run.without_since(scores) == run.without_since(run.expected.scores[scores["userId"]])
    explained = [json.loads(line) for line in driftline("scores", "--explain", *named, *users).splitlines()]
    assert [one["scores"]["userId"] for one in explained] == users
    for one in explained:
        values = {each["name"]: float(each.get("value", 0)) for each in one["features"]}
        assert list(values) == run.plan.vector_names
        packed = struct.pack(f"<{len(values)}f", *values.values())
        assert packed == struct.pack(f"<{len(values)}f", *run.expected.vectors[one["scores"]["userId"]])


def test_segments_are_counted_and_listed_over_grpc_and_on_the_command_line(run: Run) -> None:
    scores = run.expected.scores
    expected = {segment.name: run.members(scores, segment.name) for segment in run.plan.segments}
    assert all(expected.values()), "a segment without members shows nothing"
    stack, name = run.space.stack, run.space.name
    shown = map(json.loads, stack.driftline("segments", "--json", "--namespace", name).splitlines())
    assert {one["name"]: one["members"] for one in shown} == {one: len(users) for one, users in expected.items()}
    with ScoresClient(stack.settings.grpc_address, namespace=name) as client:
        counted = {one.name: (one.members, one.definition) for one in client.list_segments()}
        assert counted == {one.name: (len(expected[one.name]), one.definition) for one in run.plan.segments}
        for segment, users in expected.items():
            members = {one.user_id: one.since_ms for one in client.list_segment_members(segment)}
            assert members.keys() == users.keys()
            assert segment in run.seen_late or members == users
            sampled = client.sample_segment(segment, 5)
            assert len(sampled) == min(5, len(users)) and {one.user_id for one in sampled} <= users.keys()
    first = next(iter(expected))
    listed = stack.driftline("segments", "show", first, "--limit", "0", "--json", "--namespace", name).splitlines()
    assert {one["userId"]: int(one["sinceMs"]) for one in map(json.loads, listed)} == expected[first]


def test_the_topic_has_exactly_the_changes(run: Run) -> None:
    """Of two changes within a block the second alone is there; which were in one block is not known here."""
    expected = run.expected.scores
    holding = {(user_id, name) for user_id, one in expected.items() for name in memberships(one, ())}

    def look() -> list[SegmentChange]:
        """Redis is written before the topic, so the topic may be a moment behind."""
        found = records.read(run.space.stack.settings, run.space.topic("segments"))
        assert all(record.key.decode() == SegmentChange.FromString(record.value).user_id for record in found)
        return [SegmentChange.FromString(record.value) for record in found]

    changes = eventually(look, _ends_with(holding), "the topic ends with the memberships of the scores")
    assert len({one.change_id for one in changes}) == len(changes), "no change is there twice without a restart"
    every = folded(run.example, run.messages, block_events=1).changes
    known = {one.change_id for one in every}
    assert {one.change_id for one in changes if one.segment not in run.seen_late} <= known
    found, last = last_changes(changes), last_changes(every)
    folds = {key: change for key, change in last.items() if key[1] not in run.seen_late}
    for key, change in folds.items():
        # Nobody was told of a membership that came and went within a block before any other was looked at.
        if key in found or change.change == ENTERED:
            same = found[key]
            assert (same.change, same.effective_time_ms) == (change.change, change.effective_time_ms), key
    stored = run.space.scores()
    for (user_id, name), change in found.items():
        if change.change == ENTERED:
            assert memberships(stored[user_id], ())[name] == change.since_ms


def _ends_with(holding: set[tuple[str, str]]) -> Callable[[list[SegmentChange]], bool]:
    def accept(changes: list[SegmentChange]) -> bool:
        return {key for key, one in last_changes(changes).items() if one.change == ENTERED} == holding

    return accept
