"""`driftline submit`, `stop` and `drain`: the jobs."""

from __future__ import annotations

import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr
from rich.console import Console

from console.cli.models import say_if_project_is_not_used
from console.settings import StackSettings
from driftline.errors import InputError, SettingError
from driftline.model_files import files_at
from driftline.redis_url import without_password
from jobs.base_settings import JobSettings, ModelSettings, parse_assignments
from jobs.register import JOBS, JobSpec, spec_of

if TYPE_CHECKING:
    from console.progress import Drained, TopicProgress

_AS_OF = (
    "scores are as of each user's newest event; while nothing comes from a user, they are computed again at the "
    "project's ages, such as an hour and a day after that event"
)
_LOST_S = 3.0  # as long stands still what looks as if it were missing: it may be inside the job
_JOB_ID = re.compile("[0-9a-f]{32}")


def submit(  # noqa: PLR0917  (options, each by name)
    job: Annotated[
        str,
        typer.Argument(metavar="JOB", help="; ".join(f"{spec.name}: {spec.summary}" for spec in JOBS.values())),
    ],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the job; repeatable.")
    ] = None,
    from_savepoint: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Continue from a savepoint or a retained checkpoint; `latest` is the newest of the local stack.",
        ),
    ] = None,
    from_nothing: Annotated[
        bool, typer.Option("--from-nothing", help="Begin again where the namespace has scores, and replace them.")
    ] = False,
    new_generation: Annotated[
        bool,
        typer.Option(
            "--new-generation", help="With --from-savepoint: take the namespace back from a job that began later."
        ),
    ] = False,
    settings_help: Annotated[bool, typer.Option("--settings", help="List the job's settings and stop.")] = False,
) -> None:
    """Submit a job to the Flink cluster and wait until it runs.

    The first one of a namespace begins without state, at the first event of its topic. Where the namespace has scores,
    --from-savepoint or --from-nothing says whether they are continued or replaced.

    For example: driftline submit score-events --set parallelism=2 --set block_ms=20
    """
    _require_consistent(from_savepoint, from_nothing=from_nothing, new_generation=new_generation)
    spec = spec_of(job)
    if settings_help:
        _list_settings(spec)
        return
    from console.submission import job_settings
    from console.submission import submit as submit_job

    stack = StackSettings.load()
    given = parse_assignments(assignments or []) | _generation(spec, wanted=new_generation)
    settings = job_settings(job, stack, given)
    say_if_project_is_not_used(settings)
    with Console(stderr=True).status("") as status:
        job_id, savepoint = submit_job(job, stack, settings, from_savepoint, status.update, from_nothing=from_nothing)
    typer.echo(f"{job} runs as job {job_id} in namespace {settings.namespace}; see {stack.flink_address}")
    if savepoint:
        typer.echo(f"it goes on from {savepoint}", err=True)
    _warn(spec, stack, settings)


def _require_consistent(from_savepoint: str | None, *, from_nothing: bool, new_generation: bool) -> None:
    if from_savepoint and from_nothing:
        message = "choose one of --from-savepoint and --from-nothing"
        raise typer.BadParameter(message)
    if new_generation and not from_savepoint:
        message = "--new-generation needs --from-savepoint; a job without state has a new generation anyway"
        raise typer.BadParameter(message)


def _generation(spec: JobSpec, *, wanted: bool) -> dict[str, str]:
    """The assignment that --new-generation stands for. Raises SettingError where the job has no such setting."""
    if wanted and not spec.keeps_scores:
        message = f"--new-generation is for jobs that write scores; {spec.name} writes none"
        raise SettingError(message)
    return {"new_generation": "true"} if wanted else {}


def _warn(spec: JobSpec, stack: StackSettings, settings: JobSettings) -> None:
    """Say what will be missing although the job runs."""
    from console.local import memory_warning

    if spec.keeps_scores and (warning := memory_warning(stack)):
        typer.echo(warning, err=True)
    if not isinstance(settings, ModelSettings):
        return
    for score in settings.scores_without_model:
        folder = files_at(settings.models_dir, settings.model_folders[score], settings.s3_endpoint).where
        typer.echo(
            f"no model in {folder} yet, so there is no {score}: "
            f"`driftline train {score}` makes one, and the job picks it up",
            err=True,
        )


def stop(
    job: Annotated[str, typer.Argument(metavar="JOB", help=f"A job's name ({', '.join(JOBS)}) or its id.")],
    namespace: Annotated[str | None, typer.Option(help="Stop the one of this namespace only.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for the savepoint.")] = 120.0,
) -> None:
    """Stop a job with a savepoint, and print the path for `driftline submit JOB --from-savepoint PATH`."""
    from console.flink_rest import FlinkRest
    from console.submission import matching

    flink = FlinkRest(StackSettings.load().flink_address)
    job_ids = [job] if _JOB_ID.fullmatch(job) else matching(flink, spec_of(job).name, namespace)
    if not job_ids:
        message = f"{job} is not running"
        raise InputError(message)
    if len(job_ids) > 1:
        message = f"{len(job_ids)} jobs {job} are running; choose one with --namespace, or by id: {', '.join(job_ids)}"
        raise InputError(message)
    with Console(stderr=True).status("taking a savepoint"):
        typer.echo(flink.stop_with_savepoint(job_ids[0], timeout))


def drain(
    job: Annotated[str, typer.Argument(metavar="[JOB]", help="The job that is to process them.")] = "score-events",
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait.")] = 300.0,
    namespace: Annotated[str, typer.Option(help="Namespace of the job. [default: the live one]")] = "",
) -> None:
    """Wait until every event in the events topic has been processed, and print where the events went.

    Events of unknown types are named beside that. Exits 1 if it takes longer than the time-out, or if Kafka has deleted
    events before they were read. The totals belong to the job's state: a restart does not lose or repeat any.
    """
    if not spec_of(job).keeps_scores:
        message = f"{job} does not report which events it has processed, so there is nothing to drain"
        raise InputError(message)
    from console.progress import TopicProgress  # imports Kafka's client

    settings = StackSettings.load()
    with closing(TopicProgress(settings, namespace)) as progress:
        seen = _await_drained(progress, timeout)
    print_counters(seen)
    _require_drained(seen, job, progress.topic, f"after {timeout:g} s", progress.namespace)
    typer.echo(_AS_OF, err=True)


def print_counters(seen: Drained) -> None:
    """Print where the events went, and on stderr what the totals do not say."""
    totals = seen.totals
    typer.echo(
        f"published={seen.published} processed={totals.events} accepted={totals.accepted} "
        f"duplicate={totals.duplicate} late={totals.late} dead_letter={totals.dead_letter}"
    )
    for note in _notes(seen):
        typer.echo(note, err=True)


def _require_drained(seen: Drained, job: str, topic: str, waited: str, namespace: str) -> None:
    """Raise InputError where events have not been processed, or never will be."""
    from console.progress import lost_text

    if seen.lost:
        message = (
            f"{lost_text(topic, seen.lost)}; `driftline submit {job} --from-savepoint PATH "
            "--set deleted_offsets=skip` goes on without them"
        )
        raise InputError(message)
    if not seen.done:
        message = (
            f"not drained {waited}: {seen.published - seen.totals.events:,} events are missing in namespace "
            f"{namespace}; does the job run? `driftline status`, and the Flink UI"
        )
        raise InputError(message)


def _notes(seen: Drained) -> list[str]:
    """What the totals do not say, a line each."""
    from driftline.words import unknown_types_text  # imports protobuf

    counted = (
        (seen.no_events, "offsets are no events: markers of transactions, aborted or compacted away"),
        (seen.skipped, "events were deleted from Kafka before the job had read them, and skipped"),
        (seen.records - seen.totals.events, "events are of users whom the replay leaves out"),
    )
    unknown = unknown_types_text(seen.unknown_types)
    return [*([unknown] if unknown else []), *(f"{number:,} {what}" for number, what in counted if number > 0)]


def _await_drained(progress: TopicProgress, timeout_s: float) -> Drained:
    """Look until everything is processed, the time is over, or events are missing that no job can read any more."""
    deadline_s = time.monotonic() + timeout_s
    with Console(stderr=True).status("") as status:
        still_since_s, before = time.monotonic(), None
        while not (seen := progress.look()).done and time.monotonic() < deadline_s:
            if (seen.lost, seen.totals) != before:
                still_since_s, before = time.monotonic(), (seen.lost, seen.totals)
            elif seen.lost and time.monotonic() > still_since_s + _LOST_S:
                break
            reading = f"; reading {seen.reading}" if seen.reading else ""
            status.update(f"{seen.totals.events:,} of {seen.published:,} events processed{reading}")
            time.sleep(0.1)
    return seen


def _list_settings(spec: JobSpec) -> None:
    typer.echo(f"settings of {spec.name}: --set NAME=VALUE, or {spec.prefix}<NAME> in the environment")
    for name, field in spec.settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = without_password(default.get_secret_value()) if isinstance(default, SecretStr) else default
        value = "(required)" if field.is_required() else f"= {shown!s}"
        typer.echo(f"{name} {value}\n    {field.description}")
