"""Fits a model of a score and reports how well it does on later users and later times than it was fitted on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.pipeline import Pipeline

from driftline.errors import InputError
from driftline.onnx_model import INPUT, OnnxModel, depends_on_neighbours
from training.examples import Examples
from training.learned_score import PROPENSITY, LearnedScore
from training.reports import (
    AT_AGES,
    AT_EVENTS,
    RegressionReport,
    Report,
    classification_report,
    parts_of,
    regression_report,
)

TEST_USERS = 5  # one user in five is held out
TRAIN_SHARE = 0.7  # of the examples, in order of time: one stray date must not move the cut
POSITIVES_MIN = 20  # examples with label 1 on either side of the split below which a report would mean nothing
EXAMPLES_MIN = 50  # of a regression, likewise
PARITY_MAX = 1e-4  # ONNX computes in float32; of an estimate, beside its own size and that of the label's spread
_NEIGHBOURS = 300  # examples on which it is tried whether rows depend on each other


def split(examples: Examples, learned: LearnedScore = PROPENSITY) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the masks of training and test examples.

    Test: held-out users after the cut in time. Training: the other users, so long before the cut that no label of
    theirs looks past it.

    Raises:
        InputError: too little history on either side.
    """
    train, test, _ = parted(examples, learned)
    for name, mask in (("training", train), ("test", test)):
        why = _too_little(examples.labels[mask], learned)
        if why:
            message = f"the {name} part of the history has {why}: give more users or days{_of(examples)}"
            raise InputError(message)
    return train, test


def parted(examples: Examples, learned: LearnedScore) -> tuple[NDArray[np.bool_], NDArray[np.bool_], int]:
    """Return the masks of training and test examples, and the time that parts them, however few they are.

    Raises:
        InputError: there are no examples.
    """
    if not len(examples):
        message = f"the history has no usable events{_of(examples)}"
        raise InputError(message)
    cut_ms = int(np.quantile(examples.times_ms, TRAIN_SHARE, method="lower"))
    held_out = examples.user_hashes % TEST_USERS == 0
    train = ~held_out & (examples.times_ms + learned.label.within_ms < cut_ms)
    return train, held_out & (examples.times_ms >= cut_ms), cut_ms


def _too_little(labels: NDArray[np.float64], learned: LearnedScore) -> str:
    """Why these labels are too few to learn from or to report on; empty where they are not."""
    name = learned.score.name
    if learned.is_classification:
        positives = int(labels.sum())
        if positives >= POSITIVES_MIN and positives < len(labels):
            return ""
        return (
            f"{positives} examples with the label 1 of {name}, of {len(labels)}; "
            f"at least {POSITIVES_MIN} with and some without are needed"
        )
    if len(labels) < EXAMPLES_MIN:
        return f"{len(labels)} examples of {name}; at least {EXAMPLES_MIN} are needed"
    return f"the same label of {name} in all {len(labels)} examples" if labels.min() == labels.max() else ""


def _of(examples: Examples) -> str:
    left_out = str(examples.left_out)
    return f". Left out: {left_out}" if left_out else ""


def fit(examples: Examples, train: NDArray[np.bool_], learned: LearnedScore = PROPENSITY) -> Pipeline:
    """Fit the pipeline of the score; the same examples always give the same one.

    Raises:
        InputError: the estimator refuses the combination of its parameters, or these labels.
    """
    labels = examples.labels[train]
    try:
        fitted = learned.estimator.pipeline().fit(
            selected(examples.vectors[train], learned), labels.astype(np.int8) if learned.is_classification else labels
        )
    except ValueError as error:
        message = f"estimator {learned.estimator.name}: {str(error).splitlines()[0]}"
        raise InputError(message) from error
    _cut_as_served(fitted)
    return fitted


def _cut_as_served(pipeline: Pipeline) -> None:
    """Round the thresholds of histogram trees down to float32, which compare the same with every float32.

    They lie between two values that were seen. Where these are neighbours in float32, the conversion to ONNX would
    round up to the larger one, which then falls on the other side. Of other trees the conversion takes care itself.
    """
    for trees in getattr(pipeline.steps[-1][1], "_predictors", ()):
        for tree in trees:
            thresholds = tree.nodes["num_threshold"]
            held = thresholds.astype(np.float32)
            above = held > thresholds
            held[above] = np.nextafter(held[above], np.float32(-np.inf))
            thresholds[:] = held


def selected(vectors: NDArray[np.float32], learned: LearnedScore) -> NDArray[np.float32]:
    """Return the columns of whole vectors that the model gets."""
    columns = learned.columns
    if columns == tuple(range(vectors.shape[1])):
        return vectors
    chosen: NDArray[np.float32] = vectors.take(columns, axis=1)
    return chosen


def to_onnx(pipeline: Pipeline, learned: LearnedScore = PROPENSITY) -> bytes:
    """Convert a fitted pipeline: input float32 n x features, output `probabilities` n x 2, or `variable` n x 1.

    Raises:
        InputError: ONNX has no such model.
    """
    last = pipeline.steps[-1][1]
    try:
        model = convert_sklearn(
            pipeline,
            name=learned.score.name,
            initial_types=[(INPUT, FloatTensorType([None, len(learned.names)]))],
            options={id(last): {"zipmap": False}} if learned.is_classification else None,
            target_opset=18,
        )
    except Exception as error:  # skl2onnx has a class for each cause, and raises those of others, too
        message = f"estimator {learned.estimator.name}, with these parameters, cannot be converted to ONNX: {error}"
        raise InputError(message) from error
    data: bytes = model.SerializeToString()
    return data


def served(onnx: bytes, learned: LearnedScore = PROPENSITY, *, row_by_row: bool | None = None) -> OnnxModel:
    """Return the model as it will be served: it gets whole vectors.

    Args:
        onnx: the converted model.
        learned: the score.
        row_by_row: whether rows are run one at a time; None: they are unless the estimator is made of trees.
    """
    return OnnxModel(
        onnx,
        "",
        task=learned.score.task,
        columns=learned.columns,
        width=len(learned.feature_set.features),
        row_by_row=not learned.estimator.is_trees if row_by_row is None else row_by_row,
    )


def check_parity(
    pipeline: Pipeline, model: OnnxModel, vectors: NDArray[np.float32], learned: LearnedScore = PROPENSITY
) -> None:
    """Compare what will serve with what was fitted, and rows that are run alone with rows beside others.

    Raises:
        InputError: a result differs by more than PARITY_MAX, or depends on the rows beside it: the conversion does not
            know some parameter of the estimator.
    """
    rows = selected(vectors, learned)
    if learned.is_classification:
        fitted, size = pipeline.predict_proba(rows)[:, 1], np.ones(1)
    else:
        fitted = pipeline.predict(rows)
        size = np.maximum(np.abs(fitted), max(float(np.std(fitted)), 1.0))
    worst = float((np.abs(np.asarray(predict(model, vectors)) - fitted) / size).max())
    if worst > PARITY_MAX:
        message = (
            f"estimator {learned.estimator.name}, with these parameters, cannot be served: "
            f"converted to ONNX it differs from the fitted one by {worst:.3g}"
        )
        raise InputError(message)
    if depends_on_neighbours(model, vectors[:_NEIGHBOURS]):
        message = f"estimator {learned.estimator.name} cannot be served: a result depends on the rows beside it"
        raise InputError(message)


def predict(model: OnnxModel, vectors: NDArray[np.float32]) -> list[float]:
    """Score many rows in pieces that keep memory small."""
    return [p for start in range(0, len(vectors), 10_000) for p in model.predict(vectors[start : start + 10_000])]


def evaluate(
    model: OnnxModel,
    examples: Examples,
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    learned: LearnedScore = PROPENSITY,
) -> Report | RegressionReport:
    """Report on the test examples."""
    labels = examples.labels[test]
    predicted = np.asarray(predict(model, examples.vectors[test]))
    number, left_out = int(train.sum()), examples.left_out.counts
    mean = float(examples.labels[train].mean())
    parts = parts_of(examples.ages_s[test], predicted, labels, None if learned.is_classification else mean)
    for name, mask in ((AT_EVENTS, examples.ages_s == 0), (AT_AGES, examples.ages_s > 0)):
        if name in parts:
            parts[name]["train_examples"] = int((train & mask).sum())
    if learned.is_classification:
        return classification_report(predicted, labels, train_examples=number, left_out=left_out, parts=parts)
    return regression_report(predicted, labels, train_mean=mean, train_examples=number, left_out=left_out, parts=parts)
