"""The whole of a training: from a history's file to the folder's current model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from driftline.models import Manifest, ModelFolder, OnnxModel
from driftline.training.examples import make_examples, read_history
from driftline.training.model import Report, check_parity, evaluate, fit, split, to_onnx
from udfs.user import TimelineBounds


def train(
    history: Path, folder: ModelFolder, bounds: TimelineBounds, now_ms: int, note: Callable[[str], object]
) -> tuple[Manifest, Report]:
    """Train on a history and make the result the folder's current model.

    Args:
        history: JSON lines, one event each.
        folder: where to store the model.
        bounds: of the timelines that the features are made from; those of the job that will score.
        now_ms: wall-clock time, for the model's name.
        note: called with what is being done, step by step.

    Raises:
        InputError: the history cannot be read, or holds too little to learn from.
    """
    note("reading the history")
    users, invalid = read_history(history)
    note("folding it into examples")
    examples = make_examples(users, bounds, invalid)
    training, test = split(examples)
    note("fitting")
    pipeline = fit(examples, training)
    onnx = to_onnx(pipeline)
    model = OnnxModel(onnx, "")
    check_parity(pipeline, model, examples.vectors[test])
    report = evaluate(model, examples, training, test)
    stamp = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S}"
    return folder.store(onnx, trained_at_ms=now_ms, stamp=stamp, metrics=report.as_dict()), report
