"""The command that trains a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from console.cli.models import Declarations, ModelsDir, job_settings, models_place
from console.cli.registry import is_live, what_became
from console.cli.training_set import Dates, Events, FromLake, MappingFile, Score, SkipBad
from driftline.model_changes import Stage
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from console.training_data import Wanted
    from driftline.manifest import Manifest
    from driftline.models import ModelFolder
    from jobs.settings import ScoreEventsSettings
    from training import reports
    from training.examples import Examples
    from training.learned_score import LearnedScore

    AnyReport = reports.Report | reports.RegressionReport


def train(  # noqa: PLR0917  (options, which Typer passes by name)
    score: Score = "",
    events: Events = None,
    lake: FromLake = False,
    dates: Dates = "",
    training_set: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Learn from a set that `driftline training-set` has made.", show_default=False
        ),
    ] = None,
    stage: Annotated[
        str,
        typer.Option(
            "--as", metavar="STAGE", help="live: jobs use it at once; candidate: once `models promote` makes it live."
        ),
    ] = Stage.LIVE.value,
    declarations: Declarations = None,
    models_dir: ModelsDir = "",
    mapping: MappingFile = None,
    skip_bad: SkipBad = False,
) -> None:
    """Train the model of a score on a history, report its quality, and make it the score's live model.

    Features are made by the code that serves them. What is predicted is the label that the score is declared with: of
    purchase_propensity it is a purchase within the next 30 minutes of event time.
    What the job would refuse, call late or have forgotten is left out and counted.
    The report is about users and a time that the model was not fitted on. Running jobs pick the model up by themselves.

    For example: driftline train purchase_propensity --events history.jsonl --as candidate
    """
    from console.training_data import Wanted, plan_and_score

    live = is_live(stage)
    wanted = Wanted(files=tuple(events or ()), lake=lake, dates=dates, mapping=mapping, skip_bad=skip_bad)
    wanted.require_one(other=training_set is not None)
    settings = job_settings(declarations)
    _, learned = plan_and_score(settings, score)
    folder = learned.score.models(*models_place(settings, models_dir))
    with Console(stderr=True).status("") as status:
        made = _Training(settings, learned, folder, status.update, live=live)
        manifest, report, remarks = made.of_events(wanted) if training_set is None else made.of_set(training_set)
    for line in remarks:
        typer.echo(line, err=True)
    typer.echo(what_became(manifest, live=live))
    Console().print(_table(report))


class _Training:
    """A training, by the settings of the job that will score."""

    def __init__(
        self,
        settings: ScoreEventsSettings,
        learned: LearnedScore,
        folder: ModelFolder,
        note: Callable[[str], object],
        *,
        live: bool,
    ) -> None:
        self._settings, self._learned, self._folder, self._note, self._live = settings, learned, folder, note, live
        self._now_ms = wall_clock_ms()

    def of_events(self, wanted: Wanted) -> tuple[Manifest, AnyReport, list[str]]:
        """Train on files or the lake."""
        from console.training_data import read_data
        from training.sampling import ALL_USERS

        data = read_data(wanted, self._settings, self._learned, self._now_ms, self._note, sampling=ALL_USERS)
        return (*self._train(data.examples, data.source, None), data.remarks)

    def of_set(self, folder: Path) -> tuple[Manifest, AnyReport, list[str]]:
        """Train on a training set."""
        from console.training_data import feature_settings
        from training.training_set import read_set

        self._note("reading the training set")
        card, examples = read_set(folder, self._learned, feature_settings(self._settings))
        told: dict[str, Any] = {"folder": str(folder), "rows_sha256": card.rows_sha256, "sampling": dict(card.sampling)}
        told |= {"code_version": card.code_version, "made_at_ms": card.made_at_ms}
        return (*self._train(examples, card.source, told), [])

    def _train(
        self, examples: Examples, source: Mapping[str, Any], training_set: dict[str, Any] | None
    ) -> tuple[Manifest, AnyReport]:
        from console.training_data import code_of_training, feature_settings
        from training.lineage import lineage_of
        from training.model import split
        from training.run import train_on

        split(examples, self._learned)  # says by itself what a history lacks
        lineage = lineage_of(
            examples,
            self._learned,
            source,
            code=code_of_training(),
            settings=feature_settings(self._settings),
            training_set=training_set,
        )
        return train_on(
            examples,
            self._folder,
            self._now_ms,
            self._note,
            learned=self._learned,
            lineage=lineage,
            live=self._live,
        )


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
