"""The projects of examples/ are right as they stand: they check, fold, train, score and have members."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.model_scores import model_scores_of
from jobs.pipeline import bounds_of, decoder_of
from tests.builders import NOW
from tests.example_projects import Outcome, folded, last_changes, memberships, on_models
from tests.unit.examples.conftest import Told
from training.learned_score import LearnedScore
from training.run import train

RUN = CliRunner()


@pytest.fixture(scope="module")
def models_dir(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of each score that is to have one."""
    folder = tmp_path_factory.mktemp("models")
    settings = told.example.settings()
    decoder, bounds = decoder_of(settings), bounds_of(settings)
    data = told.example.plan().data
    for score in model_scores_of(data):
        learned = LearnedScore.of_plan(data, score.name)
        history = told.example.reader(told.file)
        train(history, score.models(folder), NOW, lambda _: None, decoder=decoder, bounds=bounds, learned=learned)
    return folder


@pytest.fixture(scope="module")
def outcome(told: Told, models_dir: Path) -> Outcome:
    return folded(told.example, told.messages, models_dir)


def test_check_passes_and_a_sample_fills_every_feature(told: Told) -> None:
    checked = RUN.invoke(app, ["check", str(told.example.folder), "--sample", str(told.file), *told.example.mapped])
    assert checked.exit_code == 0, checked.output
    assert f"sample: {len(told.messages):,} events" in checked.output
    assert "left out" not in checked.output
    assert " 0.0%" not in checked.output, "a feature, score or segment that nothing in the history reaches"


def test_every_declared_field_is_used_by_the_events(told: Told) -> None:
    plan = told.example.plan()
    seen = {message.type_word or message.name for message in told.messages}
    declared = {event["custom"] for event in plan.data["events"] if event["custom"]}
    assert declared <= {name.lower().replace(" ", "_") for name in seen}


def test_scores_are_within_bounds_and_those_of_models_differ_between_users(told: Told, outcome: Outcome) -> None:
    plan = told.example.plan()
    tasks = {score.name: score.task for score in model_scores_of(plan.data)}
    assert outcome.scores.keys() == {message.user_id for message in told.messages}
    for scores in outcome.scores.values():
        assert scores["featureSet"] == plan.name
        assert scores["scores"].keys() == {score["name"] for score in plan.data["scores"]}
        for name, value in scores["scores"].items():
            assert math.isfinite(value)
            assert tasks.get(name) == "regression" or 0 <= value <= 1, name
    for name in tasks:
        assert len({scores["scores"][name] for scores in outcome.scores.values()}) > 10, name


def test_every_segment_has_members_and_nobody_but_members(told: Told, outcome: Outcome) -> None:
    plan = told.example.plan()
    inside = {segment.name: 0 for segment in plan.segments}
    for scores in outcome.scores.values():
        for name in memberships(scores, ()):
            inside[name] += 1
    assert all(0 < number < len(outcome.scores) for number in inside.values()), inside


def test_the_changes_of_segments_end_with_the_memberships_that_scores_show(told: Told, outcome: Outcome) -> None:
    said = {
        key: change.since_ms
        for key, change in last_changes(outcome.changes).items()
        if change.change == SegmentChange.CHANGE_ENTERED
    }
    shown = {
        (user_id, name): since_ms
        for user_id, scores in outcome.scores.items()
        for name, since_ms in memberships(scores, ()).items()
    }
    assert said == shown
    assert len({change.change_id for change in outcome.changes}) == len(outcome.changes)


def test_blocks_of_other_sizes_give_the_same(told: Told, models_dir: Path) -> None:
    """The larger the blocks, the fewer changes are seen; those that are seen are the same."""
    few = told.messages[: len(told.messages) // 8]
    one_by_one, in_blocks = folded(told.example, few, models_dir, 1), folded(told.example, few, models_dir, 97)
    seen_late = on_models(told.example.plan())
    assert in_blocks.vectors == one_by_one.vectors
    for user_id, scores in in_blocks.scores.items():
        before = one_by_one.scores[user_id]
        assert memberships(scores, seen_late) == memberships(before, seen_late)
        assert {**scores, "segments": 0} == {**before, "segments": 0}
    ids = [
        {one.change_id for one in outcome.changes if one.segment not in seen_late}
        for outcome in (in_blocks, one_by_one)
    ]
    assert ids[0] <= ids[1]


def test_texts_and_affinities_are_served(told: Told, outcome: Outcome) -> None:
    plan = told.example.plan()
    if plan.data["affinities"]:
        assert all(scores["affinities"] for scores in outcome.scores.values())
    texts = [each["name"] for each in plan.data["features"] if each["kind"] == "text" and each["served"]]
    assert texts
    assert all(json.dumps(name) in json.dumps(next(iter(outcome.scores.values()))) for name in texts)
