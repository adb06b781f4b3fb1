"""`driftline models`: which models there are, and bringing one that was trained elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.settings import StackSettings
from driftline.errors import InputError, ModelError
from driftline.units import wall_clock_ms
from jobs.base_settings import JobSettings
from jobs.settings import ScoreEventsSettings

app = typer.Typer(no_args_is_help=True, help="Trained models: which there are, and bringing one of your own.")

PROJECT = "personalization"  # the folder that `init` writes where none is named
_PIPE_WIDTH = 160  # columns where the output is not a terminal, so that nothing wraps
MODELS_DIR_HELP = "Folder of the models. [default: DRIFTLINE_HOME/models]"
DECLARATIONS_HELP = "Folder of the project's declarations. [default: DRIFTLINE_DECLARATIONS, else the retail set v1]"

Declarations = Annotated[Path | None, typer.Option(metavar="FOLDER", help=DECLARATIONS_HELP, show_default=False)]
ModelsDir = Annotated[Path | None, typer.Option(help=MODELS_DIR_HELP)]


def job_settings(declarations: Path | None) -> ScoreEventsSettings:
    """The settings of the job that will score, with these declarations where they are given."""
    settings = score_events_settings(declarations)
    say_if_project_is_not_used(settings)
    return settings


def score_events_settings(declarations: Path | None = None) -> ScoreEventsSettings:
    """The settings that `driftline submit score-events` would use, with these declarations where they are given."""
    from console.submission import job_settings as settings_of

    given = {} if declarations is None else {"declarations": str(declarations)}
    return cast("ScoreEventsSettings", settings_of("score-events", StackSettings.load(), given))


def declared_names(settings: ScoreEventsSettings) -> list[str]:
    """The names of event types that a project declares; they are not unknown."""
    from jobs.plans import plan_for

    if settings.declarations is None:  # what is shipped declares none, and need not be compiled for that
        return []
    return [event["custom"] for event in plan_for(settings).data["events"] if event.get("custom")]


def say_if_project_is_not_used(settings: JobSettings) -> None:
    """Say so where there is a project in the usual folder, but the shipped set is used, for none has been named."""
    if isinstance(settings, ScoreEventsSettings) and settings.declarations is None and Path(PROJECT).is_dir():
        where = f"`export {StackSettings.prefix()}DECLARATIONS=$PWD/{PROJECT}`"
        typer.echo(f"the shipped set v1 is used; for the project in {PROJECT}: {where}", err=True)


def _plan(declarations: Path | None) -> dict[str, Any]:
    from jobs.plans import plan_for

    return plan_for(job_settings(declarations)).data


@app.command()
def add(
    score: Annotated[str, typer.Argument(metavar="SCORE", help="The declared score that the model makes.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="The model.")],
    features: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="What the columns of its input are. [default: the features that the score is declared with]",
        ),
    ] = "",
    declarations: Declarations = None,
    models_dir: ModelsDir = None,
) -> None:
    """Make a model that was trained elsewhere the current one of a score; running jobs pick it up by themselves.

    It is an ONNX file with one input, floats of n rows with a column a feature. A classifier's output is the
    probability of 1: two columns, one column, or a map a row. A regression's is a finite number a row.

    For example: driftline models add finish finish.onnx --features plays,mean_seconds --declarations personalization
    """
    from console.adding_models import add_model
    from driftline.catalogue import FeatureSet
    from driftline.model_scores import ModelScore, model_entry

    plan = _plan(declarations)
    declared = ModelScore.of_plan(plan, model_entry(plan, score))
    try:
        onnx = file.read_bytes()
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise InputError(message) from None
    now_ms = wall_clock_ms()
    manifest = add_model(
        onnx,
        declared,
        FeatureSet.of_plan(plan),
        declared.models(models_dir or StackSettings.load().models_dir),
        names=[name.strip() for name in features.split(",") if name.strip()],
        now_ms=now_ms,
        stamp=f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S}",
        source=file.name,
    )
    typer.echo(f"model {manifest.version} (feature set {manifest.feature_set}) is now the current one of {score}")
    if manifest.row_by_row:
        typer.echo("its rows are run one at a time, so that a score does not depend on others of its block", err=True)


@app.command(name="list")
def list_models(declarations: Declarations = None, models_dir: ModelsDir = None) -> None:
    """Show the current model of each score, and why one cannot be used."""
    from driftline.catalogue import FeatureSet
    from driftline.model_scores import ModelScore, model_scores_of

    plan = _plan(declarations)
    features, root = FeatureSet.of_plan(plan), models_dir or StackSettings.load().models_dir
    table = Table("score", "task", "current model", "features", "of", box=None, pad_edge=False)

    def row(score: ModelScore) -> tuple[str, str, str, str, str]:
        folder = score.models(root)
        try:
            version = folder.current_version()
            if not version:
                return score.name, score.task, "none: its formula makes it" if score.has_formula else "none", "", ""
            folder.load(version, features, score=score.name, task=score.task)
            manifest = folder.manifest(version)
        except ModelError as error:
            return score.name, score.task, f"cannot be used: {error}", "", ""
        made = f"{datetime.fromtimestamp(manifest.trained_at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
        return score.name, score.task, version, str(len(manifest.features)), made

    for score in model_scores_of(plan):
        table.add_row(*map(Text, row(score)))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(table)
