"""Processes of the local stack: starting them, recognising them again, and stopping only them.

A record, `run/<service>.json`, names a process by its pid and the time it was created: a pid alone may long belong to
another process. Nothing is ever signalled that no record names.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from console.local.logs import rotate
from driftline.errors import StackError

TERMINATE_WAIT_S = 15.0
KILL_WAIT_S = 5.0
_CREATED_TOLERANCE_S = 1.0  # the operating system derives the time from ticks; no pid is reused that soon

# A child that nobody waits for stays a zombie while this process lives, and only its Popen can tell its exit code. Both
# belong to the process as a whole, so this is kept for the whole process: `exit_code` knows every child by its pid.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class ProcessRecord:
    """What was started: enough to recognise the process, reach it and stop it."""

    service: str
    pid: int
    created_s: float
    port: int
    peer_port: int  # a second port, for the services among themselves; 0: none
    command: list[str]

    def process(self) -> psutil.Process | None:
        """The process, or None when it is gone or its pid belongs to another one by now."""
        exit_code(self.pid)
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created_s) < _CREATED_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


def record_path(run: Path, service: str) -> Path:
    """Where the record of `service` is kept."""
    return run / f"{service}.json"


def load_record(run: Path, service: str) -> ProcessRecord | None:
    """The record of `service`, whether or not its process lives; None when there is none that can be read."""
    try:
        return ProcessRecord(**json.loads(record_path(run, service).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def load_records(run: Path) -> list[ProcessRecord]:
    """Every record below `run`, by service."""
    found = (load_record(run, path.stem) for path in sorted(run.glob("*.json")))
    return [record for record in found if record is not None]


def spawn(
    service: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    console: Path,
    run: Path,
    port: int,
    peer_port: int = 0,
) -> ProcessRecord:
    """Start `command` in a session of its own, so that Ctrl-C in a terminal reaches only us, and record it.

    `env` comes on top of our environment. Its standard output and error go to `console`. Raises StackError when it
    cannot be executed.
    """
    rotate(console)
    try:
        # Append mode: the file can be cut while the process writes to it.
        with console.open("ab") as output:
            child = subprocess.Popen(
                list(command),
                env=os.environ | dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,  # what services write, events and scores, is their owner's alone
            )
    except OSError as error:
        message = f"cannot start {service}: {command[0]}: {error.strerror}"
        raise StackError(message) from None
    _children[child.pid] = child
    record = ProcessRecord(service, child.pid, _created_s(child.pid), port, peer_port, list(command))
    path = record_path(run, service)
    path.with_suffix(".tmp").write_text(json.dumps(asdict(record), indent=2))
    path.with_suffix(".tmp").replace(path)
    return record


def exit_code(pid: int) -> int | None:
    """The exit code of a child of this process (negative: the signal); None while it runs or if it is no child."""
    child = _children.get(pid)
    return None if child is None else child.poll()


def stop(records: Iterable[ProcessRecord]) -> list[ProcessRecord]:
    """Stop the processes of `records` together: SIGTERM, up to 15 s, SIGKILL. Returns those that were running.

    Descendants that outlive their parent (Python workers of a TaskManager) are killed as well.
    """
    running = [(record, process) for record in records if (process := record.process()) is not None]
    processes = [process for _, process in running]
    descendants = [child for process in processes for child in _descendants(process)]
    for process in processes:
        _signal(process, force=False)
    _, still_running = psutil.wait_procs(processes, timeout=TERMINATE_WAIT_S)
    for process in [*still_running, *descendants]:
        _signal(process, force=True)
    _, unkillable = psutil.wait_procs(still_running, timeout=KILL_WAIT_S)
    if unkillable:
        message = f"pid {unkillable[0].pid} ({unkillable[0].name()}) does not stop, not even when killed"
        raise StackError(message)
    for record, _ in running:
        exit_code(record.pid)
    return [record for record, _ in running]


def _created_s(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:  # gone already: a time that no process has
        return 0.0


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _signal(process: psutil.Process, *, force: bool) -> None:
    """SIGTERM or SIGKILL; psutil checks once more that the pid still means the same process."""
    try:
        if force:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied:
        message = f"pid {process.pid} belongs to another user; it cannot be stopped"
        raise StackError(message) from None
