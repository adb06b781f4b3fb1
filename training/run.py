"""The whole of a training: from a history, or a training set, to a model in the folder of a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from driftline.errors import InputError
from driftline.manifest import Manifest
from driftline.models import ModelFolder
from history.reading import EventReader
from training.examples import Examples, make_examples
from training.histories import Histories, read_files
from training.learned_score import PROPENSITY, LearnedScore
from training.model import check_parity, evaluate, fit, served, split, to_onnx
from training.reports import RegressionReport, Report
from training.sampling import ALL_USERS, Sampling
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
    """Train on files and make the result the folder's live model.

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
    require_features(bounds, learned)
    note("reading the history")
    histories = read_files(history, decoder, now_ms, note)
    note("folding it into examples")
    return train_on(examples_of(histories, bounds, learned), folder, now_ms, note, learned=learned)


def require_features(bounds: TimelineBounds, learned: LearnedScore) -> None:
    """Raise InputError where a score is of other features than those that the job computes."""
    plan = bounds.profile.plan
    if isinstance(plan, Plan) and tuple(plan.vector_names) != learned.feature_set.names:
        message = (
            f"score {learned.score.name} is of feature set {learned.feature_set.name!r}, whose features are not those "
            f"that the job computes; give both the same declarations"
        )
        raise InputError(message)


def examples_of(
    histories: Histories, bounds: TimelineBounds, learned: LearnedScore, sampling: Sampling = ALL_USERS
) -> Examples:
    """Return the examples of what was read; `sampling` is that of the reading."""
    return make_examples(
        histories.users,
        bounds,
        histories.left_out,
        learned.label,
        clocks=histories.clocks,
        newest_ms=0 if sampling.share >= 1 else histories.newest_ms,
        sampling=sampling,
    )


def train_on(
    examples: Examples,
    folder: ModelFolder,
    now_ms: int,
    note: Callable[[str], object],
    *,
    learned: LearnedScore = PROPENSITY,
    lineage: Mapping[str, Any] | None = None,
    live: bool = True,
) -> tuple[Manifest, Report | RegressionReport]:
    """Train on examples; the same ones give the same model, whichever way they were kept.

    Args:
        examples: of the score.
        folder: where to store the model.
        now_ms: wall-clock time, for the model's name.
        note: called with what is being done, step by step.
        learned: the score that the model makes.
        lineage: where the examples are from (training/lineage.py).
        live: whether the model becomes the live one; else it is a candidate.

    Raises:
        InputError: they are too few to learn from; the estimator's parameters do not go together, or what they make
            cannot be served.
    """
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
        lineage=lineage,
        live=live,
    )
    return manifest, report
