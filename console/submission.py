"""Submitting the jobs of jobs/register.py to a Flink cluster, and finding them there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from console.flink_client import run_job
from console.flink_rest import ENDED, FlinkRest
from console.savepoints import past_of
from console.settings import StackSettings
from console.starting import await_tasks
from driftline.errors import StackError
from jobs.base_settings import JobSettings, ModelSettings
from jobs.register import spec_of

_SLOTS_BACK_S: Final = 10.0
_POLL_S: Final = 0.2


class Submitted(NamedTuple):
    """A job that runs, and the path of what it goes on with, empty where it began from nothing."""

    job_id: str
    savepoint: str


def job_settings(job: str, stack: StackSettings, assignments: Mapping[str, str]) -> JobSettings:
    """Return the settings of a job: where the stack's services are, overridden by the environment and `assignments`.

    Raises:
        SettingError: an unknown job, or a setting with a value that it does not accept.
    """
    kind = spec_of(job).settings
    services = {
        "kafka_bootstrap": stack.kafka_address,
        "redis_url": stack.redis_location,
        "models_dir": str(stack.models_dir),
        "events_topic": stack.events_topic,
        "events_format": stack.events_format,
        "isolation_level": stack.isolation_level,
        "lake_url": stack.lake_address,
        "s3_endpoint": stack.s3_endpoint,
    }
    if stack.declarations is not None:
        services["declarations"] = str(stack.declarations.absolute())
    given = {
        name: value
        for name, value in services.items()
        if name in kind.model_fields and f"{kind.prefix()}{name.upper()}" not in os.environ
    }
    given |= assignments
    if stack.redis_password_file and given.get("redis_url") == stack.redis_location:
        given.setdefault("redis_password_file", str(stack.redis_password_file.absolute()))
    settings: JobSettings = kind.load(**given)
    return settings


def submit(
    job: str,
    stack: StackSettings,
    settings: JobSettings,
    savepoint: str | None = None,
    report: Callable[[str], None] = lambda _: None,
    *,
    from_nothing: bool = False,
    drops_state: bool = False,
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
        drops_state: the savepoint may have states of operators that the job no longer has, such as another source.

    Raises:
        SettingError: there is no such job.
        StackError: it is running already or being submitted, the client failed, or the job did not start; with the
            cause in one line.
        InputError: the namespace has scores, and neither a savepoint nor `from_nothing` was given; or there is no
            latest savepoint.
        ServiceUnavailable: the cluster does not answer, or Redis where the job keeps scores.
    """
    from console.local.checkpoints import remember_job  # needs the extra `jobs`

    spec = spec_of(job)
    flink = FlinkRest(stack.flink_address)
    with past_of(job, stack, settings) as past:
        require_room(flink, job, settings)
        origin = past.origin(savepoint, from_nothing=from_nothing)
        past.take_up(origin, report)
        _make_models_folder(stack, settings)
        report(f"submitting {job}" + (f" from {origin}" if origin else ""))
        job_id = run_job(spec, stack, settings, origin, drops_state=drops_state)
        remember_job(stack, job_id, job, settings.namespace)
    report("waiting for its tasks")
    await_tasks(flink, job, job_id, restored=bool(origin), report=report)
    return Submitted(job_id, origin)


def matching(flink: FlinkRest, job: str, namespace: str | None) -> Sequence[str]:
    """Return the ids of the running jobs of that name, in one namespace or in all."""
    return [
        found.job_id
        for found in flink.jobs()
        if found.state not in ENDED
        and (found.name == f"{job} {namespace}" if namespace else found.name.startswith(f"{job} "))
    ]


def require_room(flink: FlinkRest, job: str, settings: JobSettings) -> None:
    """Raise StackError where the job runs already, or the cluster has too few free slots."""
    running = flink.running(f"{job} {settings.namespace}")
    if running:
        message = (
            f"{job} is running already in namespace {settings.namespace} (job {running.job_id}); "
            f"`driftline stop {job}` stops it, --set namespace=NAME runs a second one beside it"
        )
        raise StackError(message)
    free = _free_slots(flink, settings.parallelism)
    if free < settings.parallelism:
        message = (
            f"{job} needs {settings.parallelism} free slot(s), the cluster has {free}; "
            "`driftline up --detach --task-managers N` adds TaskManagers of one slot each"
        )
        raise StackError(message)


def _free_slots(flink: FlinkRest, wanted: int) -> int:
    """Return how many slots are free; a job that has ended gives its own back a moment later."""
    deadline_s = time.monotonic() + _SLOTS_BACK_S
    while (free := flink.free_slots()) < wanted <= flink.slots() and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return free


def _make_models_folder(stack: StackSettings, settings: JobSettings) -> None:
    """Make the local models folder, which may be empty; another one that is missing is a mistake."""
    if isinstance(settings, ModelSettings) and settings.models_dir == str(stack.models_dir):
        stack.models_dir.mkdir(parents=True, exist_ok=True)
