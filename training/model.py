"""Fits the model and reports how well it does on later users and later times than it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.pipeline import Pipeline

from driftline.catalogue import V1
from driftline.errors import InputError
from driftline.onnx_model import INPUT, OnnxModel
from training.examples import HORIZON_MS, Examples

TEST_USERS = 5  # one user in five is held out
TRAIN_SHARE = 0.7  # of the examples, in order of time: one stray date must not move the cut
POSITIVES_MIN = 20  # purchases on either side of the split below which a report would mean nothing
PARITY_MAX = 1e-4  # ONNX computes in float32
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Report:
    """How the model does on examples of users that it was not fitted on, later than all it was fitted on."""

    auc: float  # area under the ROC curve
    average_precision: float  # area under precision over recall
    base_rate: float  # share of positives: the average precision of guessing
    brier: float  # mean squared error of the probability
    brier_base: float  # the same for always predicting base_rate
    calibration_error: float  # expected calibration error over BINS quantile bins
    calibration: list[tuple[float, float, int]]  # a bin: mean prediction, share of positives, examples
    train_examples: int
    test_examples: int
    left_out: dict[str, int]  # events of the history that made no example, by cause


def split(examples: Examples) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the masks of training and test examples.

    Test: held-out users after the cut in time. Training: the other users, so long before the cut that no label of
    theirs looks past it.

    Raises:
        InputError: too little history on either side.
    """
    if not len(examples):
        message = f"the history has no usable events{_of(examples)}"
        raise InputError(message)
    cut_ms = int(np.quantile(examples.times_ms, TRAIN_SHARE, method="lower"))
    held_out = examples.user_hashes % TEST_USERS == 0
    train = ~held_out & (examples.times_ms + HORIZON_MS < cut_ms)
    test = held_out & (examples.times_ms >= cut_ms)
    for name, mask in (("training", train), ("test", test)):
        positives = int(examples.labels[mask].sum())
        if positives < POSITIVES_MIN or positives == mask.sum():
            message = (
                f"the {name} part of the history has {positives} examples with a purchase within 30 minutes, of "
                f"{int(mask.sum())}; at least {POSITIVES_MIN} with and some without are needed: give more users or days"
                f"{_of(examples)}"
            )
            raise InputError(message)
    return train, test


def _of(examples: Examples) -> str:
    left_out = str(examples.left_out)
    return f". Left out: {left_out}" if left_out else ""


def fit(examples: Examples, train: NDArray[np.bool_]) -> Pipeline:
    """Fit the pipeline; the same examples always give the same one."""
    classifier = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=15, learning_rate=0.08, min_samples_leaf=40, l2_regularization=1.0, random_state=0
    )
    return Pipeline([("trees", classifier)]).fit(examples.vectors[train], examples.labels[train])


def to_onnx(pipeline: Pipeline) -> bytes:
    """Convert a fitted pipeline: input float32 n x len(V1), output `probabilities` float32 n x 2."""
    model = convert_sklearn(
        pipeline,
        name="purchase_propensity",
        initial_types=[(INPUT, FloatTensorType([None, len(V1)]))],
        options={id(pipeline.steps[-1][1]): {"zipmap": False}},
        target_opset=18,
    )
    data: bytes = model.SerializeToString()
    return data


def check_parity(pipeline: Pipeline, model: OnnxModel, vectors: NDArray[np.float32]) -> None:
    """Compare what will serve with what was fitted.

    Raises:
        AssertionError: a probability differs by more than PARITY_MAX; a bug of the conversion.
    """
    fitted = pipeline.predict_proba(vectors)[:, 1]
    worst = float(np.abs(np.asarray(predict(model, vectors)) - fitted).max())
    if worst > PARITY_MAX:
        message = f"the ONNX model differs from the fitted one by {worst}"
        raise AssertionError(message)


def predict(model: OnnxModel, vectors: NDArray[np.float32]) -> list[float]:
    """Score many rows in pieces that keep memory small."""
    return [p for start in range(0, len(vectors), 10_000) for p in model.predict(vectors[start : start + 10_000])]


def evaluate(model: OnnxModel, examples: Examples, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> Report:
    """Report on the test examples."""
    labels = examples.labels[test]
    predicted = np.asarray(predict(model, examples.vectors[test]))
    base_rate = float(labels.mean())
    bins = _calibration(predicted, labels)
    return Report(
        auc=round(float(roc_auc_score(labels, predicted)), 4),
        average_precision=round(float(average_precision_score(labels, predicted)), 4),
        base_rate=round(base_rate, 4),
        brier=round(float(brier_score_loss(labels, predicted)), 5),
        brier_base=round(base_rate * (1 - base_rate), 5),
        calibration_error=round(sum(abs(p - y) * n for p, y, n in bins) / len(labels), 5),
        calibration=bins,
        train_examples=int(train.sum()),
        test_examples=len(labels),
        left_out=examples.left_out.counts,
    )


def _calibration(predicted: NDArray[np.float64], labels: NDArray[np.int8]) -> list[tuple[float, float, int]]:
    order = np.argsort(predicted, kind="stable")
    return [
        (round(float(predicted[part].mean()), 4), round(float(labels[part].mean()), 4), len(part))
        for part in np.array_split(order, BINS)
        if len(part)
    ]
