"""A declared score from its files to what is served: the events of users' own, the label, the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event
from driftline.models import ModelFolder
from driftline.onnx_model import OnnxModel
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from history.reading import EventReader
from jobs.bundle import Bound
from jobs.pipeline import bounds_of, decoder_of, processor_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from state_schemas.layouts import StoredLayouts
from state_schemas.users import Timelines
from tests.builders import MINUTE, NOW, States, block, fold_block, job_settings, message, scores_of
from training.examples import make_examples, read_history
from training.learned_score import LearnedScore
from training.run import train
from udfs.event import CUSTOM
from udfs.hashing import hash64

PROJECT = """
project: {name: media}
events:
  play: {fields: {artist: {type: string, required: true}, seconds: {type: number}}, category: artist}
  complete: {}
features:
  plays: {count: play, scope: session}
  newest: {last: seconds, of: play}
  completes: {count: complete}
  artists: {count: play, by: artist, half_life: 30d, cap: 8}
  top_artist: {expr: 'top(artists)'}
scores:
  finish:
    model: classification
    features: [newest, plays]
    estimator: {name: LogisticRegression, params: {C: 10}}
    label: {event: complete, within: 10m}
  listen: {model: regression, label: {sum: seconds, of: play, where: 'seconds >= 50.0', within: 30m}}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ScoreEventsSettings:
    folder = tmp_path_factory.mktemp("personalization")
    (folder / "media.yaml").write_text(PROJECT)
    return job_settings(declarations=folder)


def played(user_id: str, at_ms: int, seconds: int) -> UserEvent:
    properties = {"artist": f"a{seconds % 3}", "seconds": str(seconds)}
    return message(user_id, at_ms, type=CUSTOM, name="play", properties=properties)


def visits(number: int) -> list[UserEvent]:
    """Users who complete after a long play, most of the time."""
    rng = np.random.default_rng(5)
    found = []
    for user in range(number):
        at_ms = int(rng.integers(0, 600)) * MINUTE
        for visit in range(10):
            at_ms += int(rng.integers(60, 1_500)) * MINUTE
            seconds = int(rng.integers(1, 100))
            found.append(played(f"u{user}", at_ms, seconds))
            if seconds > 60 and rng.random() < 0.9:
                found.append(
                    message(f"u{user}", at_ms + 5 * MINUTE, event_id=f"c{visit}", type=CUSTOM, name="complete")
                )
    return sorted(found, key=lambda one: one.event_time_ms)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("history") / "history.jsonl"
    file.write_text("\n".join(map(format_event, visits(200))))
    return file


def test_labels_read_the_fields_of_declared_events(settings: ScoreEventsSettings, tmp_path: Path) -> None:
    told = [played("u", 0, 10), played("u", MINUTE, 60), played("u", 2 * MINUTE, 49), played("u", 3 * MINUTE, 50)]
    (tmp_path / "h").write_text("\n".join(map(format_event, [*told, played("other", 60 * MINUTE, 1)])))
    users, _ = read_history(EventReader([tmp_path / "h"]), decoder_of(settings), NOW)
    learned = LearnedScore.of_plan(plan_for(settings).data, "listen")
    examples = make_examples(users, bounds_of(settings), label=learned.label)
    assert examples.labels.tolist() == [110.0, 50.0, 50.0, 0.0]
    assert learned.feature_set.names == ("plays", "newest", "completes")
    assert examples.vectors.tolist() == [[1, 10, 0], [2, 60, 0], [3, 49, 0], [4, 50, 0]]


def test_a_trained_score_is_served_as_training_computes_it(
    settings: ScoreEventsSettings, history: Path, tmp_path: Path
) -> None:
    learned = LearnedScore.of_plan(plan_for(settings).data, "finish")
    folder = learned.score.models(tmp_path)
    decoder, bounds = decoder_of(settings), bounds_of(settings)
    manifest, report = train(
        EventReader([history]), folder, NOW, lambda _: None, decoder=decoder, bounds=bounds, learned=learned
    )
    assert manifest.features == ("newest", "plays") and manifest.row_by_row
    assert vars(report)["auc"] > 0.8
    model = ModelFolder(tmp_path / "finish").load(manifest.version, learned.feature_set, score="finish")
    served = served_scores(settings, model, [one for one in visits(20) if one.user_id == "u7"])
    users, _ = read_history(EventReader([history]), decoder, NOW)
    examples = make_examples({"u7": users["u7"], "v": users["u8"]}, bounds, label=learned.label)
    number = int((examples.user_hashes == hash64("u7")).sum())
    assert number >= 10 and len(set(served)) > 2
    assert served[:number] == model.predict(examples.vectors[:number])


def served_scores(settings: ScoreEventsSettings, model: OnnxModel, told: list[UserEvent]) -> list[float]:
    """The score after each event, from what the job sends to its topic."""
    plan = plan_for(settings)
    models: dict[str, Any] = {"finish": lambda: model}
    fold, shard = processor_of(settings, models, Bound(plan)), ShardState()
    users = Timelines(States(), fold.bounds, 100, 2**26, StoredLayouts(plan.layout))
    found = []
    for offset, one in enumerate(told):
        result = fold_block(fold, block(one, offset=offset), shard, users, now_ms=NOW)
        scores = UserScores.FromString(scores_of(result)["u7"] or b"")
        assert (scores.model_version, scores.feature_set) == (model.version, "media")
        found.append(scores.scores["finish"])
    return found
