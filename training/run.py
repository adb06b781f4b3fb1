"""The whole of a training: from a history's file to the folder's current model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from driftline.errors import InputError
from driftline.manifest import Manifest
from driftline.models import ModelFolder
from history.reading import EventReader
from training.examples import make_examples, read_history
from training.learned_score import PROPENSITY, LearnedScore
from training.model import check_parity, evaluate, fit, served, split, to_onnx
from training.reports import RegressionReport, Report
from udfs.decode import Decoder
from udfs.plan.plan import Plan
from udfs.timeline import TimelineBounds


def train(
    history: EventReader,
    folder: ModelFolder,
    now_ms: int,
    note: Callable[[str], object],
    *,
    decoder: Decoder,
    bounds: TimelineBounds,
    learned: LearnedScore = PROPENSITY,
) -> tuple[Manifest, Report | RegressionReport]:
    """Train on a history and make the result the folder's current model.

    Args:
        history: reads the events.
        folder: where to store the model.
        now_ms: wall-clock time, for the model's name, and as the bound of what is from the future.
        note: called with what is being done, step by step.
        decoder: of the job that will score: it decides what of the history counts.
        bounds: of that job's timelines, which decide it, too.
        learned: the score that the model makes.

    Raises:
        InputError: the score is of other features than the job's; the history cannot be read, or holds too little to
            learn from; the estimator's parameters do not go together, or what they make cannot be served.
    """
    plan = bounds.profile.plan
    if isinstance(plan, Plan) and tuple(plan.vector_names) != learned.feature_set.names:
        message = (
            f"score {learned.score.name} is of feature set {learned.feature_set.name!r}, whose features are not those "
            f"that the job computes; give both the same declarations"
        )
        raise InputError(message)
    note("reading the history")
    users, left_out = read_history(history, decoder, now_ms, note)
    note("folding it into examples")
    examples = make_examples(users, bounds, left_out, learned.label)
    training, test = split(examples, learned)
    note("fitting")
    pipeline = fit(examples, training, learned)
    onnx = to_onnx(pipeline, learned)
    model = served(onnx, learned)
    check_parity(pipeline, model, examples.vectors[test], learned)
    report = evaluate(model, examples, training, test, learned)
    manifest = folder.store(
        onnx,
        trained_at_ms=now_ms,
        stamp=f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S}",
        metrics=asdict(report) | {"estimator": learned.estimator.name, "params": learned.estimator.params},
        score=learned.score.name,
        task=learned.score.task,
        feature_set=learned.feature_set,
        features=learned.names,
        row_by_row=not learned.estimator.is_trees,
    )
    return manifest, report
