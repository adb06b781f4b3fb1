"""churn_risk as a model: learned from shoppers who stop coming, judged on later time, and rising with silence."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, roc_auc_score
from typer.testing import CliRunner

from console.cli import app
from console.simulator import SimulationSpec, json_line, simulate
from driftline.catalogue import CHURN_RISK
from driftline.onnx_model import OnnxModel
from history.reading import EventReader
from jobs.pipeline import bounds_of, decoder_of
from jobs.plans import plan_for
from tests.builders import NOW, job_settings
from training.examples import Examples, make_examples, read_history
from training.learned_score import LearnedScore
from training.model import predict, split
from udfs.event import Event
from udfs.features import after_silence

SPEC = SimulationSpec(users=700, events=20_000, seed=5, days=70, leaving=0.6)
SETTINGS = job_settings()
PLAN = plan_for(SETTINGS)
LEARNED = LearnedScore.of_plan(PLAN.data, CHURN_RISK)


@dataclass(frozen=True)
class Learned:
    """A model, what it was made of, and what the command said."""

    users: dict[str, list[Event]]
    examples: Examples
    test: NDArray[np.bool_]
    model: OnnxModel
    printed: str
    metrics: dict[str, object]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    folder = tmp_path_factory.mktemp("churn")
    file, models = folder / "history.jsonl", folder / "models"
    file.write_text("".join(f"{json_line(one)}\n" for one in simulate(SPEC)))
    models.mkdir()
    ran = CliRunner().invoke(app, ["train", CHURN_RISK, "--events", str(file), "--models-dir", str(models)])
    assert ran.exit_code == 0, ran.output
    versions = LEARNED.score.models(models)
    version = versions.current_version()
    model = versions.load(version, LEARNED.feature_set, score=CHURN_RISK, task="classification")
    users, _ = read_history(EventReader([file]), decoder_of(SETTINGS), NOW)
    examples = make_examples(users, bounds_of(SETTINGS), label=LEARNED.label)
    metrics = json.loads((models / CHURN_RISK / version / "manifest.json").read_text())["metrics"]
    return Learned(users, examples, split(examples, LEARNED)[1], model, ran.output, metrics)


def test_the_command_tells_events_and_ages_apart(learned: Learned) -> None:
    parts = learned.metrics["parts"]
    assert isinstance(parts, dict) and parts.keys() == {"at_events", "at_ages"}
    assert learned.metrics["test_examples"] == sum(part["test_examples"] for part in parts.values())
    assert learned.metrics["train_examples"] == sum(part["train_examples"] for part in parts.values())
    assert all(part["train_examples"] > 100 and part["brier"] > 0 for part in parts.values())
    assert parts["at_ages"]["base_rate"] > parts["at_events"]["base_rate"]
    assert "at events" in learned.printed and "at ages" in learned.printed


def test_the_model_beats_the_formula_and_a_constant_on_later_time(learned: Learned) -> None:
    examples, test = learned.examples, learned.test
    labels, at_ages = examples.labels[test], examples.ages_s[test] > 0
    modelled = np.asarray(predict(learned.model, examples.vectors[test]))
    formula = np.asarray([after_silence(vector, 0)[1] for vector in examples.vectors[test].tolist()])
    before = examples.labels[examples.times_ms < examples.times_ms[test].min()]
    constant = np.full(len(labels), before.mean())
    for part in (np.ones(len(labels), dtype=bool), at_ages):
        truth = labels[part]
        auc = {"model": roc_auc_score(truth, modelled[part]), "formula": roc_auc_score(truth, formula[part])}
        brier = {
            "model": brier_score_loss(truth, modelled[part]),
            "formula": brier_score_loss(truth, formula[part]),
            "constant": brier_score_loss(truth, constant[part]),
        }
        told = f"of {part.sum()} examples, {truth.mean():.3f} absent: AUC {auc}, Brier score {brier}"
        assert auc["model"] > max(0.65, auc["formula"]), told
        assert brier["model"] < min(brier["formula"], brier["constant"]), told


def test_the_model_never_falls_with_silence(learned: Learned) -> None:
    bounds, ages_s = bounds_of(SETTINGS).profile, [0, 1, *PLAN.ages_s]
    risen = 0
    for user_id in sorted(learned.users)[:150]:
        profile = PLAN.blank()
        for event in sorted(learned.users[user_id]):
            profile.fold(event, bounds)
        newest_ms = int(profile.values[2])
        vectors = [PLAN.vector(PLAN.aged(profile, age_s), newest_ms + age_s * 1_000) for age_s in ages_s]
        risks = learned.model.predict(np.asarray(vectors, dtype=np.float32))
        assert risks == sorted(risks), (user_id, risks)
        risen += risks[-1] > risks[0] + 0.1
    assert risen > 75


def test_examples_at_ages_are_of_later_profiles_and_leave_the_horizon_free(learned: Learned) -> None:
    examples, test = learned.examples, learned.test
    train = split(examples, LEARNED)[0]
    assert set(np.unique(examples.ages_s)) <= {0, *PLAN.ages_s}
    assert examples.times_ms[train].max() + LEARNED.label.within_ms < examples.times_ms[test].min()
    assert (examples.times_ms + LEARNED.label.within_ms <= SPEC.history_start_ms + SPEC.history_ms).all()
    assert (examples.ages_s > 0).sum() <= 1.1 * (examples.ages_s == 0).sum()
