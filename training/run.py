"""The whole of a training: from a history's file to the folder's current model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from driftline.manifest import Manifest
from driftline.models import ModelFolder
from driftline.onnx_model import OnnxModel
from history.reading import EventReader
from training.examples import make_examples, read_history
from training.model import Report, check_parity, evaluate, fit, split, to_onnx
from udfs.decode import Decoder
from udfs.timeline import TimelineBounds


def train(
    history: EventReader,
    folder: ModelFolder,
    now_ms: int,
    note: Callable[[str], object],
    *,
    decoder: Decoder,
    bounds: TimelineBounds,
) -> tuple[Manifest, Report]:
    """Train on a history and make the result the folder's current model.

    Args:
        history: reads the events.
        folder: where to store the model.
        now_ms: wall-clock time, for the model's name, and as the bound of what is from the future.
        note: called with what is being done, step by step.
        decoder: of the job that will score: it decides what of the history counts.
        bounds: of that job's timelines, which decide it, too.

    Raises:
        InputError: the history cannot be read, or holds too little to learn from.
    """
    note("reading the history")
    users, left_out = read_history(history, decoder, now_ms, note)
    note("folding it into examples")
    examples = make_examples(users, bounds, left_out)
    training, test = split(examples)
    note("fitting")
    pipeline = fit(examples, training)
    onnx = to_onnx(pipeline)
    model = OnnxModel(onnx, "")
    check_parity(pipeline, model, examples.vectors[test])
    report = evaluate(model, examples, training, test)
    stamp = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S}"
    return folder.store(onnx, trained_at_ms=now_ms, stamp=stamp, metrics=asdict(report)), report
