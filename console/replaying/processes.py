"""Runs the tasks of a local replay, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from console.replaying.worker import Done, Ended, Task, work_with_redis
from driftline.errors import DriftlineError, StackError

_LOOK_S = 0.2  # between two looks whether the command is to stop
_END_S = 5.0  # for a process that was told to end


class Stopped(Exception):  # noqa: N818  (no error: somebody has asked for it)
    """The command was asked to end before all was done."""


def run_all(tasks: Sequence[Task], tell: Callable[[Done], object], stop: threading.Event) -> list[Ended]:
    """Run tasks side by side, and return what each has counted, in their order.

    Args:
        tasks: what to do.
        tell: told what has been done, by any of them, since it was last told.
        stop: set to end all of them.

    Raises:
        Stopped: they were ended before they were done.
        DriftlineError: what one of them has raised; the others are ended.
    """
    context = multiprocessing.get_context("spawn")  # what is open here, threads of Arrow included, stays here
    ended: dict[int, Ended] = {}
    running: dict[Connection, int] = {}
    processes: list[SpawnProcess] = []
    try:
        for at, task in enumerate(tasks):
            mine, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(task, theirs), daemon=True)
            process.start()
            theirs.close()  # so that its end shows
            processes.append(process)
            running[mine] = at
        while running:
            if stop.is_set():
                raise Stopped
            for ready in wait(list(running), _LOOK_S):
                assert isinstance(ready, Connection)  # noqa: S101  (what was waited for)
                _take(ready, running, ended, tell)
    finally:
        for process in processes:
            if len(ended) < len(tasks):
                process.terminate()
            process.join(_END_S)
    return [ended[at] for at in range(len(tasks))]


def _take(
    ready: Connection, running: dict[Connection, int], ended: dict[int, Ended], tell: Callable[[Done], object]
) -> None:
    """Take a message of a process: what it has done, how it has ended, or why."""
    try:
        message = ready.recv()
    except EOFError:
        message = StackError(
            "a process of the replay has died; was it killed, for memory perhaps? --processes 1 takes less"
        )
    if isinstance(message, DriftlineError):
        raise message
    if isinstance(message, Ended):
        ended[running.pop(ready)] = message
        ready.close()
    else:
        tell(message)


def _run(task: Task, told: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's, which ends its processes
    try:
        told.send(work_with_redis(task, told.send))
    except DriftlineError as error:
        told.send(error)
    except BrokenPipeError:  # the command is gone
        pass
    finally:
        with suppress(OSError):
            told.close()
