"""The checkpoints and savepoints below `DRIFTLINE_HOME`: whose they are, how large, and which nobody needs any more.

Flink deletes what a running job outgrows. What a job that ended has left behind, and every savepoint, stays until it is
deleted here: each is a whole copy of the state.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from console.flink_rest import ENDED, FlinkRest
from console.local.flink_conf import JOB_MANAGER
from console.local.home import Home
from console.local.process import load_record
from console.settings import StackSettings
from driftline.errors import ServiceUnavailable

_METADATA = "_metadata"  # written last: without it a folder is no checkpoint
_JOB_ID_IN_NAME = 6  # characters of the job's id in a savepoint's name


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A copy of a job's state on disk."""

    kind: str  # checkpoints (of a job: they share files) or savepoint
    folder: Path  # what is deleted together
    path: Path | None  # what a job can be restored from; None where it was not completed
    size_bytes: int
    made_at_s: float
    job_id: str  # of a savepoint of an older release its first characters alone
    job: str = ""  # name and namespace, empty where nothing tells any more
    needed: str = ""  # why it is to stay


def remember_job(settings: StackSettings, job_id: str, job: str, namespace: str) -> None:
    """Note what a job of the local cluster was, for the time when the cluster has forgotten it."""
    folder = _jobs(Home(settings.home))
    if not settings.flink_rest and folder.parent.is_dir():
        folder.mkdir(exist_ok=True)
        (folder / job_id).write_text(json.dumps({"job": job, "namespace": namespace}) + "\n")


def remembered_jobs(settings: StackSettings, job: str, namespace: str) -> list[str]:
    """Return the ids of the jobs of this name and namespace that the local cluster has run."""
    names = _remembered(Home(settings.home))
    return [job_id for job_id, name in names.items() if name == f"{job} {namespace}"]


def list_kept(settings: StackSettings) -> list[Kept]:
    """Everything that is kept, newest first. Raises ServiceUnavailable where a cluster runs but does not answer."""
    home = Home(settings.home)
    running, names, restored = _running(settings, home)
    return mark_needed(_found(home, names), running, restored)


def prune(settings: StackSettings) -> list[Kept]:
    """Delete what is not needed, and return it."""
    home = Home(settings.home)
    with home.lock():  # not while a stack starts or stops
        unneeded = [kept for kept in list_kept(settings) if not kept.needed]
        for kept in unneeded:
            shutil.rmtree(kept.folder)
    return unneeded


def mark_needed(found: Iterable[Kept], running: Iterable[str], restored: Iterable[str]) -> list[Kept]:
    """Say of each why it is to stay: a running job needs it, or it is the newest of its job and namespace.

    Args:
        found: what is on disk.
        running: ids of the jobs that run.
        restored: paths that they were restored from, and may still read.
    """
    by_age = sorted(found, key=lambda kept: -kept.made_at_s)
    ids, paths = set(running), {_local(path) for path in restored}
    newest: set[str] = set()
    marked = []
    for kept in by_age:
        owner = kept.job or kept.job_id
        needed = ""
        if any(job_id.startswith(kept.job_id) for job_id in ids):
            needed = "running"
        elif kept.path is not None and any(path.is_relative_to(kept.folder) for path in paths):
            needed = "restored by a running job"
        elif kept.path is not None and owner not in newest:
            needed = "newest"
        if kept.path is not None:
            newest.add(owner)
        marked.append(replace(kept, needed=needed))
    return marked


def _found(home: Home, names: dict[str, str]) -> Iterator[Kept]:
    flink = home.path / "flink"
    for folder in sorted((flink / "checkpoints").glob("*")):
        complete = [path for path in folder.glob("chk-*") if (path / _METADATA).is_file()]
        newest = max(complete, key=lambda path: int(path.name.removeprefix("chk-")), default=None)
        yield _kept("checkpoints", folder, newest, folder.name, names)
    for folder in sorted((flink / "savepoints").glob("savepoint-*")):
        path = folder if (folder / _METADATA).is_file() else None
        start = folder.name.removeprefix("savepoint-")[:_JOB_ID_IN_NAME]
        job_id = next((known for known in names if known.startswith(start)), start)
        yield _kept("savepoint", folder, path, job_id, names)


def _kept(kind: str, folder: Path, path: Path | None, job_id: str, names: dict[str, str]) -> Kept:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    made = (path / _METADATA if path else folder).stat().st_mtime
    return Kept(
        kind=kind, folder=folder, path=path, size_bytes=size, made_at_s=made, job_id=job_id, job=names.get(job_id, "")
    )


def _running(settings: StackSettings, home: Home) -> tuple[list[str], dict[str, str], list[str]]:
    """Ids of the running jobs; name and namespace of every job that is remembered; what the running ones restored."""
    names = _remembered(home)
    flink = FlinkRest(settings.flink_address)
    try:
        jobs = flink.jobs()
    except ServiceUnavailable:
        record = load_record(home.run, JOB_MANAGER)
        if settings.flink_rest or (record is not None and record.process() is not None):
            raise
        return [], names, []  # the local cluster does not run, so nothing does
    names |= {job.job_id: job.name for job in jobs}
    running = [job.job_id for job in jobs if job.state not in ENDED]
    return running, names, [path for job_id in running if (path := flink.restored_from(job_id))]


def _remembered(home: Home) -> dict[str, str]:
    """Return name and namespace of the jobs that were noted, by id."""
    noted = {file.name: json.loads(file.read_text()) for file in _jobs(home).glob("*")}
    return {job_id: f"{known['job']} {known['namespace']}" for job_id, known in noted.items()}


def _jobs(home: Home) -> Path:
    return home.path / "flink" / "jobs"


def _local(path: str) -> Path:
    return Path(unquote(urlsplit(path).path))
