"""The command that trains a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from console.cli.events import MAPPING_HELP, SKIP_BAD_HELP
from console.settings import StackSettings
from driftline.units import wall_clock_ms
from jobs.settings import ScoreEventsSettings


def train(
    events: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="History to learn from, as for publish; - is the standard input. Repeatable.",
            show_default=False,
        ),
    ],
    models_dir: Annotated[
        Path | None, typer.Option(help="Folder to store the model in. [default: DRIFTLINE_HOME/models]")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help=MAPPING_HELP, show_default=False)] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help=SKIP_BAD_HELP)] = False,
) -> None:
    """Train the model of purchase propensity on a history, report its quality, and make it the current model.

    Features are made by the code that serves them; the label is a purchase within the next 30 minutes of event time.
    What the job would refuse, call late or have forgotten is left out and counted.
    The report is about users and a time that the model was not fitted on. Running jobs pick the model up by themselves.
    """
    from driftline.mapping.spec import Mapping  # slow imports, for this command only
    from driftline.models import ModelFolder
    from history.reading import EventReader
    from jobs.pipeline import bounds_of, decoder_of, refused_ids_of
    from training.run import train as run

    settings = ScoreEventsSettings.load()
    mapped = None if mapping is None else Mapping.load(mapping)
    history = EventReader(events, mapping=mapped, skip_bad=skip_bad, refused=refused_ids_of(settings))
    folder = ModelFolder(models_dir or StackSettings.load().models_dir)
    with Console(stderr=True).status("") as status:
        manifest, report = run(
            history,
            folder,
            wall_clock_ms(),
            status.update,
            decoder=decoder_of(settings),
            bounds=bounds_of(settings),
        )
    for line in history.summary():
        typer.echo(line, err=True)
    typer.echo(f"model {manifest.version} (feature set {manifest.feature_set}) is now the current one")
    Console().print(_table(report))


def _table(report: Any) -> Table:
    table = Table("on held-out users, later in time", "")
    table.add_row("AUC", f"{report.auc:.3f}")
    table.add_row("average precision", f"{report.average_precision:.3f} (guessing: {report.base_rate:.3f})")
    table.add_row("Brier score", f"{report.brier:.4f} (guessing: {report.brier_base:.4f})")
    table.add_row("calibration error", f"{report.calibration_error:.4f}")
    table.add_row("examples", f"{report.train_examples:,} for training, {report.test_examples:,} for the test")
    for cause, number in report.left_out.items():
        table.add_row("left out", f"{number:,} {cause}")
    return table
