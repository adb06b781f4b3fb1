"""Several server processes on one port, and the parent that keeps them running.

Python runs on one core a process. The kernel spreads connections over the processes (SO_REUSEPORT), so a client with
one connection talks to one of them.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
from collections.abc import Callable, Coroutine
from multiprocessing.context import SpawnProcess
from typing import Any

from driftline.errors import StackError
from serving.logs import log_event
from serving.settings import ServeSettings

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
HEALTHY_AFTER_S = 30.0  # a worker that has run this long was healthy: its death counts as the first one
EARLY_DEATHS_MAX = 5  # in a row; then something is wrong that a restart does not heal
KILL_AFTER_S = 5.0  # beyond the grace

Target = Callable[[ServeSettings, int], None]

log = logging.getLogger(__name__)


def run_workers(settings: ServeSettings, target: Target) -> None:
    """Run `settings.workers` processes of `target` until SIGTERM or SIGINT, then have them drain.

    Raises StackError where the port is taken, or a worker dies again and again soon after its start.
    """
    with hold_port(settings.host, settings.port or 0) as held:
        shared = settings.model_copy(update={"port": held.getsockname()[1]})
        asyncio.run(_Parent(shared, target).run())


def hold_port(host: str, port: int) -> socket.socket:
    """A socket that keeps the port for sockets that share it. It never listens, so it gets no connection.

    Raises StackError where anything listens there already, also something that would share the port.
    """
    family, address = free_address(host, port)
    held = socket.socket(family)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(address)
    return held


def free_address(host: str, port: int) -> tuple[int, Any]:
    """Family and address of a port that nothing has; port 0 becomes a free one. Raises StackError that says why not."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else closed connections would block it
            alone.bind(address)
            return family, alone.getsockname()
    except OSError as error:
        where = "DRIFTLINE_GRPC_PORT sets another port, DRIFTLINE_SERVE_HOST another address"
        message = f"cannot listen on {host}:{port}: {error.strerror or error}; {where}"
        raise StackError(message) from None


def parent_gone(loop: asyncio.AbstractEventLoop, then: Callable[[], None]) -> None:
    """In a worker: call `then` when the parent has died, however. Nothing elsewhere."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def gone() -> None:
            loop.remove_reader(sentinel)
            then()

        loop.add_reader(sentinel, gone)


class _Parent:
    def __init__(self, settings: ServeSettings, target: Target) -> None:
        self._settings = settings
        self._target = target
        self._stopped = asyncio.Event()
        # Not forked: gRPC's threads and locks do not survive a fork.
        self._processes = multiprocessing.get_context("spawn")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, self._stopped.set)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._settings.workers):
                    group.create_task(self._keep(number))
        except* StackError as errors:
            raise errors.exceptions[0] from None

    async def _keep(self, number: int) -> None:
        """Start the worker, again when it dies, until the parent is told to stop."""
        loop = asyncio.get_running_loop()
        early_deaths = 0
        while not self._stopped.is_set():
            begin_s = loop.time()
            process = self._processes.Process(target=self._target, args=(self._settings, number), daemon=False)
            process.start()
            try:
                await self._first(_ended(process))
            finally:
                await self._drain(process)
            if self._stopped.is_set():
                return
            early_deaths = 1 if loop.time() - begin_s >= HEALTHY_AFTER_S else early_deaths + 1
            log_event(log, "worker died", worker=number, exit_code=process.exitcode, early_deaths=early_deaths)
            if early_deaths >= EARLY_DEATHS_MAX:
                message = f"worker {number} died {early_deaths} times soon after its start; its last lines say why"
                raise StackError(message)
            await self._first(asyncio.sleep(min(BACKOFF_FIRST_S * 2 ** (early_deaths - 1), BACKOFF_MAX_S)))

    async def _first(self, awaited: Coroutine[Any, Any, None]) -> None:
        """Wait for it, or until the parent is told to stop."""
        tasks = [asyncio.ensure_future(awaited), asyncio.ensure_future(self._stopped.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # a sentinel has one reader at a time

    async def _drain(self, process: SpawnProcess) -> None:
        if process.exitcode is None:
            process.terminate()
            try:
                await asyncio.wait_for(_ended(process), self._settings.grace_s + KILL_AFTER_S)
            except TimeoutError:
                process.kill()
        await _ended(process)
        process.join()


async def _ended(process: SpawnProcess) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
