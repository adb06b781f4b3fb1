"""The command that trains a model."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from driftline.settings import ScoreEventsSettings, StackSettings


def train(
    events: Annotated[
        Path, typer.Option(help="History to learn from: JSON lines, one event each.", show_default=False)
    ],
    models_dir: Annotated[
        Path | None, typer.Option(help="Folder to store the model in. [default: DRIFTLINE_HOME/models]")
    ] = None,
) -> None:
    """Train the model of purchase propensity on a history, report its quality, and make it the current model.

    Features are made by the code that serves them; the label is a purchase within the next 30 minutes of event time.
    The report is about users and a time that the model was not fitted on. Running jobs pick the model up by themselves.
    """
    from driftline.models import ModelFolder, OnnxModel  # noqa: PLC0415  (slow imports, for this command only)
    from driftline.training import examples as ex  # noqa: PLC0415
    from driftline.training import model as fitting  # noqa: PLC0415
    from udfs.user import TimelineBounds  # noqa: PLC0415

    console = Console(stderr=True)
    with console.status("reading the history"):
        users, invalid = ex.read_history(events)
    with console.status("folding it into examples"):
        examples = ex.make_examples(users, TimelineBounds.of(ScoreEventsSettings.load()), invalid)
    training, test = fitting.split(examples)
    with console.status("fitting"):
        pipeline = fitting.fit(examples, training)
        onnx = fitting.to_onnx(pipeline)
        model = OnnxModel(onnx, "")
        fitting.check_parity(pipeline, model, examples.vectors[test])
        report = fitting.evaluate(model, examples, training, test)
    now = datetime.now(UTC)
    manifest = ModelFolder(models_dir or StackSettings.load().models_dir).store(
        onnx, trained_at_ms=time.time_ns() // 1_000_000, stamp=f"{now:%Y%m%dT%H%M%S}", metrics=report.as_dict()
    )
    typer.echo(f"model {manifest.version} (feature set {manifest.feature_set}) is now the current one")
    Console().print(_table(report))


def _table(report: Any) -> Table:
    table = Table("on held-out users, later in time", "", title=None)
    table.add_row("AUC", f"{report.auc:.3f}")
    table.add_row("average precision", f"{report.average_precision:.3f} (guessing: {report.base_rate:.3f})")
    table.add_row("Brier score", f"{report.brier:.4f} (guessing: {report.brier_base:.4f})")
    table.add_row("calibration error", f"{report.calibration_error:.4f}")
    table.add_row("examples", f"{report.train_examples:,} for training, {report.test_examples:,} for the test")
    return table
