"""The command that trains a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from console.cli.events import MAPPING_HELP, SKIP_BAD_HELP
from console.cli.models import Declarations, declared_names, job_settings
from console.settings import StackSettings
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from training import reports


def train(  # noqa: PLR0917  (options, which Typer passes by name)
    events: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="History to learn from, as for publish; - is the standard input. Repeatable.",
            show_default=False,
        ),
    ],
    score: Annotated[
        str,
        typer.Argument(
            metavar="[SCORE]",
            help="The declared score to learn. [default: the only one that a model makes, or purchase_propensity]",
            show_default=False,
        ),
    ] = "",
    declarations: Declarations = None,
    models_dir: Annotated[
        Path | None, typer.Option(help="Folder to store the model in. [default: DRIFTLINE_HOME/models]")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help=MAPPING_HELP, show_default=False)] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help=SKIP_BAD_HELP)] = False,
) -> None:
    """Train the model of a score on a history, report its quality, and make it the score's current model.

    Features are made by the code that serves them. What is predicted is the label that the score is declared with: of
    purchase_propensity it is a purchase within the next 30 minutes of event time.
    What the job would refuse, call late or have forgotten is left out and counted.
    The report is about users and a time that the model was not fitted on. Running jobs pick the model up by themselves.
    """
    from driftline.mapping.spec import Mapping  # slow imports, for this command only
    from history.reading import EventReader
    from jobs.pipeline import bounds_of, decoder_of, refused_ids_of
    from jobs.plans import plan_for
    from training.learned_score import LearnedScore
    from training.run import train as run

    settings = job_settings(declarations)
    plan = plan_for(settings).data
    learned = LearnedScore.of_plan(plan, score)
    mapped = None if mapping is None else Mapping.load(mapping)
    history = EventReader(
        events,
        mapping=mapped,
        skip_bad=skip_bad,
        refused=refused_ids_of(settings),
        declared=declared_names(settings),
    )
    folder = learned.score.models(models_dir or StackSettings.load().models_dir)
    with Console(stderr=True).status("") as status:
        manifest, report = run(
            history,
            folder,
            wall_clock_ms(),
            status.update,
            decoder=decoder_of(settings),
            bounds=bounds_of(settings),
            learned=learned,
        )
    for line in history.summary():
        typer.echo(line, err=True)
    made = f"model {manifest.version} (feature set {manifest.feature_set})"
    typer.echo(f"{made} is now the current one of {manifest.score}")
    Console().print(_table(report))


def _table(report: reports.Report | reports.RegressionReport) -> Table:
    from training.reports import Report  # loaded by now

    table = Table("on held-out users, later in time", "")
    rows = _of_classification(report) if isinstance(report, Report) else _of_regression(report)
    for name, value in rows:
        table.add_row(name, value)
    table.add_row("examples", f"{report.train_examples:,} for training, {report.test_examples:,} for the test")
    for name, part in report.parts.items():
        table.add_row(name.replace("_", " "), _of_part(part))
    for cause, number in report.left_out.items():
        table.add_row("left out", f"{number:,} {cause}")
    return table


def _of_part(part: dict[str, float | None]) -> str:
    numbers = f"{part['train_examples']:,} for training, {part['test_examples']:,} for the test"
    if "mae" in part:
        return f"{numbers}; mean absolute error {part['mae']:g} (the mean alone: {part['mae_base']:g})"
    auc = "" if part["auc"] is None else f"AUC {part['auc']:.3f}, "
    return f"{numbers}; {auc}Brier score {part['brier']:.4f} (guessing: {part['brier_base']:.4f})"


def _of_classification(report: reports.Report) -> list[tuple[str, str]]:
    return [
        ("AUC", f"{report.auc:.3f}"),
        ("average precision", f"{report.average_precision:.3f} (guessing: {report.base_rate:.3f})"),
        ("Brier score", f"{report.brier:.4f} (guessing: {report.brier_base:.4f})"),
        ("calibration error", f"{report.calibration_error:.4f}"),
    ]


def _of_regression(report: reports.RegressionReport) -> list[tuple[str, str]]:
    bins = [
        (f"predicted {predicted:g}", f"was {label:g}, the mean of {number:,}")
        for predicted, label, number in report.calibration
    ]
    return [
        ("mean absolute error", f"{report.mae:g} (the mean alone: {report.mae_base:g})"),
        ("root mean squared error", f"{report.rmse:g} (the mean alone: {report.rmse_base:g})"),
        ("R2", f"{report.r2:.3f}"),
        ("calibration error", f"{report.calibration_error:g} (mean of the label: {report.mean:g})"),
        *bins,
    ]
