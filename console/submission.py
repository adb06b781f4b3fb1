"""Submitting the jobs of jobs/ to a Flink cluster, through Flink's own client."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from console.flink_rest import ENDED, FlinkRest, root_cause
from console.savepoints import newest_savepoint
from console.settings import StackSettings
from console.starting import await_tasks
from driftline.errors import InputError, ServiceUnavailable, SettingError, StackError
from jobs.flink.guards import CHECKPOINT_DIR, SAVEPOINT_DIR
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_store import RedisScoreStore

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("driftline", "jobs", "udfs", "state_schemas", "sink_connectors")
SUBMIT_TIMEOUT_S = 120.0
LOCK_MARGIN_S = 30.0  # for what is asked before the client runs
LATEST = "latest"
_SUBMITTED = re.compile(r"as job ([0-9a-f]{32})")

# Every job: its file, and the settings that it takes.
JOBS: Mapping[str, tuple[str, type[ScoreEventsSettings]]] = {
    "score-events": ("jobs/score_events.py", ScoreEventsSettings),
}


class Submitted(NamedTuple):
    """A job that runs, and the path of what it goes on with, empty where it began from nothing."""

    job_id: str
    savepoint: str


def job_settings(job: str, stack: StackSettings, assignments: Mapping[str, str]) -> ScoreEventsSettings:
    """Return the settings of a job: where the stack's services are, overridden by `assignments`.

    Raises:
        SettingError: an unknown job, or a setting with a value that it does not accept.
    """
    if job not in JOBS:
        message = f"unknown job {job!r}; known are: {', '.join(JOBS)}"
        raise SettingError(message)
    _, kind = JOBS[job]
    services = {
        "kafka_bootstrap": stack.kafka_address,
        "redis_url": stack.redis_location,
        "models_dir": str(stack.models_dir),
        "events_topic": stack.events_topic,
        "events_format": stack.events_format,
        "isolation_level": stack.isolation_level,
    }
    from_environment = {name for name in services if f"DRIFTLINE_JOB_{name.upper()}" in os.environ}
    given = {name: value for name, value in services.items() if name not in from_environment} | dict(assignments)
    if stack.redis_password_file and given.get("redis_url") == stack.redis_location:
        given.setdefault("redis_password_file", str(stack.redis_password_file.absolute()))
    settings: ScoreEventsSettings = kind.load(**given)
    return settings


def submit(
    job: str,
    stack: StackSettings,
    settings: ScoreEventsSettings,
    savepoint: str | None = None,
    report: Callable[[str], None] = lambda _: None,
    *,
    from_nothing: bool = False,
) -> Submitted:
    """Submit a job, and wait until all its tasks run.

    Args:
        job: its name.
        stack: where the services are.
        settings: of the job.
        savepoint: the path of what it continues from; "latest" stands for the newest that the local stack has of the
            namespace.
        report: told what is being done.
        from_nothing: without a savepoint, replace the scores that the namespace has.

    Raises:
        StackError: it is running already or being submitted, the client failed, or the job did not start; with the
            cause in one line.
        InputError: the namespace has scores, and neither a savepoint nor `from_nothing` was given; or there is no
            latest savepoint.
        ServiceUnavailable: the cluster or Redis does not answer.
    """
    flink = FlinkRest(stack.flink_address)
    with (
        closing(RedisScoreStore.connect(stack.redis_address, namespace=settings.namespace, retry_s=5.0)) as store,
        _only_one(store, job, settings.namespace),
    ):
        _require_room(flink, job, settings)
        savepoint = _continued_from(job, stack, store, settings.namespace, savepoint, from_nothing=from_nothing)
        if savepoint:
            _check_offsets(stack, settings, report)
        else:
            store.forget_skipped()
        if settings.models_dir == stack.models_dir:  # the local one may be empty; another that is missing is a mistake
            settings.models_dir.mkdir(parents=True, exist_ok=True)
        report(f"submitting {job}" + (f" from {savepoint}" if savepoint else ""))
        job_id = _run_client(job, stack, settings, savepoint)
        _remember(stack, job_id, job, settings.namespace)
    report("waiting for its tasks")
    await_tasks(flink, job, job_id, restored=bool(savepoint), report=report)
    return Submitted(job_id, savepoint or "")


@contextmanager
def _only_one(store: RedisScoreStore, job: str, namespace: str) -> Iterator[None]:
    """Let no other submission into the namespace until Flink shows this one's job."""
    with store.submitting(SUBMIT_TIMEOUT_S + LOCK_MARGIN_S) as alone:
        if not alone:
            message = f"{job} is being submitted in namespace {namespace} by another command; wait for it"
            raise StackError(message)
        yield


def _require_room(flink: FlinkRest, job: str, settings: ScoreEventsSettings) -> None:
    running = flink.running(f"{job} {settings.namespace}")
    if running:
        message = (
            f"{job} is running already in namespace {settings.namespace} (job {running.job_id}); "
            f"`driftline stop {job}` stops it, --set namespace=NAME runs a second one beside it"
        )
        raise StackError(message)
    if flink.free_slots() < settings.parallelism:
        message = (
            f"{job} needs {settings.parallelism} free slot(s), the cluster has {flink.free_slots()}; "
            "`driftline up --detach --task-managers N` adds TaskManagers of one slot each"
        )
        raise StackError(message)


def _continued_from(
    job: str, stack: StackSettings, store: RedisScoreStore, namespace: str, savepoint: str | None, *, from_nothing: bool
) -> str | None:
    """Return the path of the savepoint that was asked for; refuse to begin again what nobody asked to."""
    if savepoint not in (None, LATEST) or from_nothing:
        return savepoint
    local = None if stack.flink_rest else newest_savepoint(stack.home, store.recorded().job_ids)
    if savepoint == LATEST:
        if local is None:
            message = f"no savepoint or retained checkpoint of namespace {namespace} below {stack.home}; give its path"
            raise InputError(message)
        return local.path
    if store.holds_anything():
        known = f" (the newest here: {local.path})" if local else ""
        message = (
            f"namespace {namespace} has scores, which {job} would replace by beginning from nothing: continue with "
            f"--from-savepoint PATH{known}, or say --from-nothing"
        )
        raise InputError(message)
    return None


def _remember(stack: StackSettings, job_id: str, job: str, namespace: str) -> None:
    from console.local.checkpoints import remember_job  # needs the extra `jobs`

    remember_job(stack, job_id, job, namespace)


def _check_offsets(stack: StackSettings, settings: ScoreEventsSettings, report: Callable[[str], None]) -> None:
    """Refuse to continue where Kafka has deleted what comes next; with deleted_offsets=skip remember what is missing.

    What Redis does not know, because an older savepoint is restored, Kafka's client finds in the job itself.
    """
    from console.progress import TopicProgress, lost_text  # imports Kafka's client

    there = stack.model_copy(update={"events_topic": settings.events_topic})
    try:
        with closing(TopicProgress(there, settings.namespace)) as progress:
            lost = progress.look().lost
            if lost and settings.deleted_offsets == "skip":
                progress.skip(lost)
    except ServiceUnavailable as error:  # the cluster may reach a Kafka that this machine does not
        if settings.deleted_offsets == "skip":
            raise
        report(f"not checked whether the next events are still there: {error}")
        return
    if lost and settings.deleted_offsets == "stop":
        message = f"{lost_text(settings.events_topic, lost)}; --set deleted_offsets=skip goes on without them"
        raise StackError(message)


def _run_client(job: str, stack: StackSettings, settings: ScoreEventsSettings, savepoint: str | None) -> str:
    from console.local import flink_client, flink_env  # needs the extra `jobs`

    script, _ = JOBS[job]
    with tempfile.TemporaryDirectory(prefix="driftline-") as scratch:
        options = ["--detached", "--python", str(ROOT / script)]
        if stack.flink_rest:  # a cluster of its own does not have our code
            options += ["--pyFiles", str(_copy_code(Path(scratch)))]
            options += _folders_of(FlinkRest(stack.flink_address))
        if savepoint:
            options += ["--fromSavepoint", savepoint]
        try:
            done = subprocess.run(
                flink_client(stack, "run", *options),
                # Not as arguments: the process list and the client's log show those to everyone.
                env=flink_env(stack) | settings.as_environment(only_given=True) | {"PYTHONUNBUFFERED": "1"},
                capture_output=True,
                text=True,
                timeout=SUBMIT_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"submitting {job} took more than {SUBMIT_TIMEOUT_S:g} s"
            raise StackError(message) from None
    found = _SUBMITTED.search(done.stdout)
    if done.returncode or not found:
        raise StackError(f"{job} was not submitted: {_client_error(done.stdout + done.stderr)}")  # noqa: EM102
    return found.group(1)


def _folders_of(flink: FlinkRest) -> list[str]:
    """Name the folders that the cluster itself is set to: the client, who checks that there are some, cannot see it."""
    conf = flink.configuration()
    return [f"-D{key}={conf[key]}" for key in (CHECKPOINT_DIR, SAVEPOINT_DIR) if conf.get(key)]


def _copy_code(scratch: Path) -> Path:
    """Copy the packages that the job needs into one folder; the checkout itself holds far more.

    Without the compiled core: it belongs to this machine's C library, the cluster's may be older.
    """
    folder = scratch / "code"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return folder


def _client_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith(tuple(f"{job}: " for job in JOBS))]
    python = [line for line in lines if re.match(r"(?!org\.|java)[\w.]*(Error|Exception)\b.*: ", line)]
    java = root_cause(output) if "Caused by: " in output else ""
    return (ours or python or [java or (lines or ["no output"])[-1]])[-1]


def matching(flink: FlinkRest, job: str, namespace: str | None) -> Sequence[str]:
    """Return the ids of the running jobs of that name, in one namespace or in all."""
    return [
        found.job_id
        for found in flink.jobs()
        if found.state not in ENDED
        and (found.name == f"{job} {namespace}" if namespace else found.name.startswith(f"{job} "))
    ]
