"""What the commands about models have in common: the project's declarations, and where its models are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from console.settings import StackSettings
from jobs.base_settings import JobSettings
from jobs.settings import ScoreEventsSettings

PROJECT = "personalization"  # the folder that `init` writes where none is named
MODELS_DIR_HELP = (
    "Folder of the models, or s3://bucket/prefix. [default: the job's models_dir, which is DRIFTLINE_HOME/models]"
)
DECLARATIONS_HELP = "Folder of the project's declarations. [default: DRIFTLINE_DECLARATIONS, else the retail set v1]"

Declarations = Annotated[Path | None, typer.Option(metavar="FOLDER", help=DECLARATIONS_HELP, show_default=False)]
ModelsDir = Annotated[str, typer.Option(metavar="PLACE", help=MODELS_DIR_HELP, show_default=False)]


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


def models_place(settings: ScoreEventsSettings, models_dir: str) -> tuple[str, str]:
    """Where models are: the folder or bucket that is named, else that of the job, and the URL of S3's server."""
    return models_dir or settings.models_dir, settings.s3_endpoint
