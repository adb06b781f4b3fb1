"""Several processes on one port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from driftline.errors import StackError
from serving.workers import hold_port
from tests.grpc_server import Client
from tests.redis_server import RedisServer, free_port, wait_until

REPOSITORY = Path(__file__).parents[3]


class Running:
    """`driftline serve --workers 2`, and the lines of its log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: Queue[dict[str, Any]] = Queue()
        self.words: list[str] = []  # lines that are no events
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            if line.startswith("{"):
                self.events.put(json.loads(line))
            else:
                self.words.append(line)

    def next(self, event: str) -> dict[str, Any]:
        while True:
            found = self.events.get(timeout=20)
            if found["event"] == event:
                return found

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        pids = [int(pid) for pid in text.split()]
        return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextmanager
def workers(redis_url: str, port: int) -> Iterator[Running]:
    environment = os.environ | {"DRIFTLINE_REDIS_URL": redis_url, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "console.cli", "serve", "--workers", "2", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Running(process)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(20)


def test_taken_port_is_refused_also_where_it_could_be_shared() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StackError, match="DRIFTLINE_GRPC_PORT"):
            hold_port("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_address_that_is_not_this_machines_says_so_and_not_that_the_port_is_taken(host: str) -> None:
    with pytest.raises(StackError, match=f"cannot listen on {host}:0: .+; .*DRIFTLINE_SERVE_HOST") as caught:
        hold_port(host, 0)
    assert "in use" not in str(caught.value)


def test_free_port_is_held_for_those_that_share_it() -> None:
    with hold_port("127.0.0.1", 0) as held, socket.socket() as shares, socket.socket() as alone:
        shares.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shares.bind(held.getsockname())
        with pytest.raises(OSError, match="in use"):
            alone.bind(held.getsockname())


@pytest.mark.redis
class TestWorkers:
    def test_dead_worker_is_replaced_and_sigterm_drains_all(self, redis_server: RedisServer) -> None:
        with workers(redis_server.url, free_port()) as running:
            listening = [running.next("listening") for _ in range(2)]
            assert {line["worker"] for line in listening} == {0, 1}
            (address,) = {line["address"] for line in listening}
            assert Client(address).health() == "SERVING"
            first = running.children()
            assert len(first) == 2
            os.kill(first[0], signal.SIGKILL)
            assert running.next("worker died")["exit_code"] == -signal.SIGKILL
            running.next("listening")
            assert Client(address).health() == "SERVING"
            second = running.children()
            assert len(second) == 2
            assert first[1] in second
            running.process.terminate()
            assert running.process.wait(20) == 0
            for pid in second:
                wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]

    def test_workers_end_with_their_parent(self, redis_server: RedisServer) -> None:
        with workers(redis_server.url, free_port()) as running:
            for _ in range(2):
                running.next("listening")
            pids = running.children()
            running.process.kill()
            for pid in pids:
                wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]

    def test_taken_port_is_one_clear_line(self, redis_server: RedisServer) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            workers(redis_server.url, taken.getsockname()[1]) as running,
        ):
            assert running.process.wait(20) == 1
            wait_until(lambda: bool(running.words))
            assert running.words[0].startswith("driftline: cannot listen on 127.0.0.1:")
