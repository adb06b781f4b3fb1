"""`driftline models`: the registry of models: which there are, what they are, and which one is live."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.models import Declarations, ModelsDir, job_settings, models_place
from console.cli.registry_text import (
    all_versions,
    changes_table,
    facts_table,
    listed,
    live_versions,
    show_table,
    side_by_side,
)
from driftline.errors import InputError, ModelError, SettingError
from driftline.model_changes import Stage
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from driftline.manifest import Manifest
    from driftline.registry import ModelRegistry, Version
    from jobs.settings import ScoreEventsSettings
    from training.learned_score import LearnedScore

app = typer.Typer(
    no_args_is_help=True,
    help="The registry of models: candidate, live and retired ones, what they are made of, and which one is live.",
)

ScoreName = Annotated[str, typer.Argument(metavar="SCORE", help="A declared score that a model makes.")]
VersionName = Annotated[
    str, typer.Argument(metavar="VERSION", help="A version of `models list --all`, or its beginning.")
]
Note = Annotated[str, typer.Option(help="Why, for people; kept with the change.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def add(  # noqa: PLR0917  (options, which Typer passes by name)
    score: Annotated[str, typer.Argument(metavar="SCORE", help="The declared score that the model makes.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="The model.")],
    features: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="What the columns of its input are. [default: the features that the score is declared with]",
        ),
    ] = "",
    stage: Annotated[
        str, typer.Option("--as", metavar="STAGE", help="live, or candidate, which `models promote` makes live.")
    ] = Stage.LIVE.value,
    declarations: Declarations = None,
    models_dir: ModelsDir = "",
) -> None:
    """Bring a model that was trained elsewhere; as the live one of a score, running jobs pick it up by themselves.

    It is an ONNX file with one input, floats of n rows with a column a feature. A classifier's output is the
    probability of 1: two columns, one column, or a map a row. A regression's is a finite number a row.

    For example: driftline models add finish finish.onnx --features plays,mean_seconds --declarations personalization
    """
    from console.adding_models import add_model

    live = is_live(stage)
    registry = _registry(job_settings(declarations), score, models_dir)
    try:
        onnx = file.read_bytes()
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise InputError(message) from None
    now_ms = wall_clock_ms()
    manifest = add_model(
        onnx,
        registry.score,
        registry.features,
        registry.folder,
        names=[name.strip() for name in features.split(",") if name.strip()],
        now_ms=now_ms,
        stamp=f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S}",
        source=file.name,
        live=live,
    )
    typer.echo(what_became(manifest, live=live))
    if manifest.row_by_row:
        typer.echo("its rows are run one at a time, so that a score does not depend on others of its block", err=True)


def is_live(stage: str) -> bool:
    """Whether a model is to be the live one at once. Raises SettingError for a stage that nothing begins in."""
    if stage not in {Stage.LIVE, Stage.CANDIDATE}:
        message = f"--as {stage!r} should be one of: {Stage.LIVE}, {Stage.CANDIDATE}"
        raise SettingError(message)
    return stage == Stage.LIVE


def what_became(manifest: Manifest, *, live: bool) -> str:
    """One line about a model that was stored."""
    made = f"model {manifest.version} (feature set {manifest.feature_set})"
    if live:
        return f"{made} is now the live one of {manifest.score}"
    return f"{made} is a candidate: `driftline models promote {manifest.score} {manifest.version}` makes it live"


@app.command(name="list")
def list_models(
    score: Annotated[str, typer.Argument(metavar="[SCORE]", help="This score alone.", show_default=False)] = "",
    every: Annotated[bool, typer.Option("--all", help="Every version, not the live ones alone.")] = False,
    declarations: Declarations = None,
    models_dir: ModelsDir = "",
    as_json: AsJson = False,
) -> None:
    """Show the live model of each score, and why one cannot be used; with --all the others, too.

    For example: driftline models list --all
    """
    registries = _registries(job_settings(declarations), score, models_dir)
    if as_json:
        shown = [(one, listed(one, every=every)) for one in registries]
        typer.echo(json.dumps({one.score.name: [version.as_json() for version in found] for one, found in shown}))
        return
    show_table(all_versions(registries) if every else live_versions(registries))


@app.command()
def show(
    score: ScoreName,
    version: Annotated[
        str, typer.Argument(metavar="[VERSION]", help="A version, or its beginning. [default: the live one]")
    ] = "",
    declarations: Declarations = None,
    models_dir: ModelsDir = "",
    as_json: AsJson = False,
) -> None:
    """Show what a model is: stage, features, report, and what it was made of.

    For example: driftline models show churn_risk 20260105
    """
    registry = _registry(job_settings(declarations), score, models_dir)
    found = registry.version(version or _live_of(registry), tried=True)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    show_table(facts_table(found))


@app.command()
def history(
    score: ScoreName, declarations: Declarations = None, models_dir: ModelsDir = "", as_json: AsJson = False
) -> None:
    """Show which model of a score was live when, and what else was done.

    For example: driftline models history churn_risk
    """
    registry = _registry(job_settings(declarations), score, models_dir)
    changes = registry.folder.changes()
    if as_json:
        for change in changes:
            typer.echo(change.as_json(), nl=False)
        return
    show_table(changes_table(changes))


@app.command()
def promote(  # noqa: PLR0917  (options, which Typer passes by name)
    score: ScoreName,
    version: VersionName,
    on: Annotated[
        Path | None,
        typer.Option(
            "--on",
            metavar="FOLDER",
            help="Measure both models on the test rows of this training set. [default: compare their own reports]",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Although it is worse than the live one, or retired.")] = False,
    note: Note = "",
    declarations: Declarations = None,
    models_dir: ModelsDir = "",
) -> None:
    """Make a model the live one of its score; running jobs pick it up by themselves.

    It is loaded first: one that cannot be used with these declarations is refused. Its report is printed beside that of
    the live model, and one that is clearly worse is refused unless --force is given. Their own reports are about two
    tests where they were trained on different histories; --on measures both on the same rows, of users and a time that
    neither should have been fitted on.

    For example: driftline models promote churn_risk 20260105T101500-3f9c0d1a --on january
    """
    settings = job_settings(declarations)
    registry = _registry(settings, score, models_dir)
    found = registry.promotable(version, force=force)
    _gate(registry, found, settings, on, force=force)
    name = registry.promote(found.name, wall_clock_ms(), force=force, note=note)
    typer.echo(
        f"model {name} is now the live one of {score}; jobs pick it up, `driftline models rollback {score}` undoes it"
    )


def _gate(
    registry: ModelRegistry, candidate: Version, settings: ScoreEventsSettings, on: Path | None, *, force: bool
) -> None:
    """Print both reports, and raise InputError for a candidate that is clearly worse."""
    from console.model_gate import can_be_compared, compared, worse_of

    found = registry.version(live_name, tried=True) if (live_name := _live_or_none(registry)) else None
    if found is None or candidate.manifest is None:
        return
    if found.problem or found.manifest is None:
        typer.echo(f"not compared with the live model, which cannot be used: {found.problem}", err=True)
        return
    live = found.manifest
    if on is None:
        reports = candidate.manifest.metrics, live.metrics
        ours, theirs = (one.lineage.get("data_sha256") for one in (candidate.manifest, live))
        rows = "the same rows" if ours and ours == theirs else "two tests: they were trained on different histories"
    else:
        reports = _measured_on(registry, (candidate.name, live.version), settings, on)
        rows = f"the test rows of {on}"
    measured = compared(registry.score.task, *reports)
    show_table(side_by_side(measured, candidate.name, live.version, rows))
    if not can_be_compared(measured):
        typer.echo("one of them has no report: --on FOLDER measures both on a training set", err=True)
    elif (worse := worse_of(measured)) and not force:
        message = (
            f"{candidate.name} is worse than the live model in {' and '.join(worse)}; --force promotes it all the same"
        )
        raise InputError(message)


def _measured_on(
    registry: ModelRegistry, names: tuple[str, str], settings: ScoreEventsSettings, folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    from dataclasses import asdict

    from console.training_data import feature_settings, plan_and_score
    from training.model import evaluate, split
    from training.training_set import read_set

    _, learned = plan_and_score(settings, registry.score.name)
    examples = read_set(folder, learned, feature_settings(settings)).examples
    train, test = split(examples, learned)
    reports = []
    for name in names:
        _require_columns(registry, name, learned)
        model = registry.folder.load(name, registry.features, score=registry.score.name, task=registry.score.task)
        reports.append(asdict(evaluate(model, examples, train, test, learned)))
    return reports[0], reports[1]


def _require_columns(registry: ModelRegistry, name: str, learned: LearnedScore) -> None:
    """Raise InputError for a model that reads what a training set of the score does not have."""
    more = [one for one in registry.folder.manifest(name).features if one not in learned.names]
    if more:
        message = f"{name} reads {', '.join(more)}, which a training set of {registry.score.name} does not have"
        raise InputError(message)


@app.command()
def rollback(score: ScoreName, note: Note = "", declarations: Declarations = None, models_dir: ModelsDir = "") -> None:
    """Make the model live again that was so before the live one; a second rollback goes further back.

    For example: driftline models rollback churn_risk --note "calibration is off for new users"
    """
    registry = _registry(job_settings(declarations), score, models_dir)
    name, left = registry.rollback(wall_clock_ms(), note)
    typer.echo(f"model {name} is the live one of {score} again, in place of {left or 'none'}")


@app.command()
def retire(
    score: ScoreName,
    version: VersionName,
    note: Note = "",
    declarations: Declarations = None,
    models_dir: ModelsDir = "",
) -> None:
    """Mark a model as one that is not to become live again. Its files stay, because scores name it.

    For example: driftline models retire churn_risk 20260105T101500-3f9c0d1a
    """
    registry = _registry(job_settings(declarations), score, models_dir)
    name = registry.retire(version, wall_clock_ms(), note)
    typer.echo(f"model {name} of {score} is retired")


def _registry(settings: ScoreEventsSettings, score: str, models_dir: str) -> ModelRegistry:
    return _registries(settings, score, models_dir)[0]


def _registries(settings: ScoreEventsSettings, score: str, models_dir: str) -> list[ModelRegistry]:
    """The registry of a score, or without a name of all that models make."""
    from driftline.catalogue import FeatureSet
    from driftline.model_scores import ModelScore, model_entry, model_scores_of
    from driftline.registry import ModelRegistry
    from jobs.plans import plan_for

    plan = plan_for(settings).data
    scores = [ModelScore.of_plan(plan, model_entry(plan, score))] if score else model_scores_of(plan)
    features, place = FeatureSet.of_plan(plan), models_place(settings, models_dir)
    return [ModelRegistry(one, features, one.models(*place)) for one in scores]


def _live_of(registry: ModelRegistry) -> str:
    live = registry.live()
    if not live:
        message = f"{registry.score.name} has no live model; name a version of `driftline models list --all`"
        raise InputError(message)
    return live


def _live_or_none(registry: ModelRegistry) -> str:
    """The live version, where it is known and there."""
    try:
        live = registry.live()
    except ModelError:
        return ""
    return live if live in registry.folder.versions() else ""
