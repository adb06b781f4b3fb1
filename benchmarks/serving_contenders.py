"""The servers that are compared, one Redis for all of them, and where each may run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import psutil
import redis

from benchmarks.load_tools import CACHE, ROOT, pinned
from benchmarks.serving_users import ServedUsers
from console.local import free_ports
from console.local.ports import is_open
from console.local.redis import redis_server
from driftline.errors import StackError

START_S_MAX = 60.0
FEAST_PINS = ROOT / "benchmarks" / "feast_requirements.txt"
FEAST_CODE = ROOT / "benchmarks" / "feast_store.py"
_REPOSITORY = """\
project: driftline
provider: local
registry: {folder}/registry.db
online_store: {{type: redis, connection_string: "127.0.0.1:{port}"}}
offline_store: {{type: file}}
entity_key_serialization_version: 3
"""


@dataclass
class Server:
    """A running server and its processes."""

    name: str
    address: str
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """CPU seconds so far, workers included."""
        total = 0.0
        root = psutil.Process(self.process.pid)
        for process in (root, *root.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system
        return total


@dataclass
class RedisProcess:
    """A redis-server that can be frozen, killed and started again on its port, with what it last saved."""

    port: int
    folder: Path
    cores: str

    def __post_init__(self) -> None:
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and return when it has loaded its data and answers."""
        options = ("--bind", "127.0.0.1", "--port", self.port, "--dir", self.folder, "--save", "", "--logfile", "log")
        self.process = subprocess.Popen(pinned(self.cores, redis_server(), *options))
        wait_until(self.answers, "Redis")

    def answers(self) -> bool:
        """Whether it answers a PING."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # also while it loads
            return False

    def save(self) -> None:
        """Write everything to its file."""
        with redis.Redis.from_url(self.url, socket_timeout=60) as client:
            client.save()

    def kill(self) -> None:
        """As a crash would."""
        self.process.kill()
        self.process.wait()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Raise StackError if it does not become true within START_S_MAX."""
    deadline_s = time.monotonic() + START_S_MAX
    while not condition():
        if time.monotonic() > deadline_s:
            message = f"{what} did not start within {START_S_MAX:g} s"
            raise StackError(message)
        time.sleep(0.02)


@contextmanager
def filled_redis(users: ServedUsers, cores: str, *, with_feast: bool) -> Iterator[tuple[RedisProcess, Path]]:
    """A Redis with all users in Driftline's layout and in Feast's, and the folder of Feast's repository."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as name:
        folder = Path(name)
        if with_feast:
            _copy_feast_store(users, folder, cores)
        (folder / "feature_store.yaml").write_text(_REPOSITORY.format(folder=folder, port=port))
        server = RedisProcess(port, folder, cores)
        try:
            users.write(server.url)
            yield server, folder
        finally:
            server.kill()


def _copy_feast_store(users: ServedUsers, folder: Path, cores: str) -> None:
    """Put Feast's registry and a Redis file with Feast's values into a folder; they are made once, and kept."""
    text = FEAST_PINS.read_bytes() + FEAST_CODE.read_bytes() + users.table.tobytes()
    kept = CACHE / f"feast-store-{hashlib.sha256(text).hexdigest()[:12]}"
    if not (kept / "dump.rdb").exists():
        (port,) = free_ports(1)
        with tempfile.TemporaryDirectory(prefix="driftline-bench-") as name:
            made = Path(name)
            (made / "feature_store.yaml").write_text(_REPOSITORY.format(folder=made, port=port))
            np.save(made / "values.npy", users.table)
            server = RedisProcess(port, made, cores)
            try:
                command = [feast_python(), FEAST_CODE, made, made / "values.npy"]
                subprocess.run(command, check=True, env=_feast_env(), stdout=subprocess.DEVNULL)
                server.save()
            finally:
                server.kill()
            kept.mkdir(parents=True, exist_ok=True)
            for file in ("registry.db", "dump.rdb"):  # the dump last: it says that all is there
                shutil.copy(made / file, kept / f"{file}.part")
                (kept / f"{file}.part").rename(kept / file)
    for file in ("registry.db", "dump.rdb"):
        shutil.copy(kept / file, folder / file)


def feast_python() -> Path:
    """The interpreter of Feast's environment, which is made if it is missing: its pins and Flink's do not agree."""
    name = hashlib.sha256(FEAST_PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / f"feast-{name}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = _uv()
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        install = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--require-hashes",
            "--requirement",
            str(FEAST_PINS),
        ]
        subprocess.run(install, check=True)
        (folder / "ready").touch()
    return python


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")  # where `make setup` puts it
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        message = "uv is missing; run: make setup"
        raise StackError(message)
    return found


def _feast_env() -> dict[str, str]:
    return os.environ | {"FEAST_USAGE": "False", "PYTHONWARNINGS": "ignore"}


@contextmanager
def empty_server(cores: str) -> Iterator[Server]:
    """The empty call on the same stack."""
    (port,) = free_ports(1)
    command = pinned(cores, sys.executable, "-m", "benchmarks.empty_server", port)
    with _running("empty call", port, command, dict(os.environ)) as server:
        wait_until(lambda: _grpc_ready(server), server.name)
        yield server


@contextmanager
def driftline_server(redis_url: str, cores: str, workers: int = 1) -> Iterator[Server]:
    """`driftline serve`; the flag is left out for one worker, its default."""
    (port,) = free_ports(1)
    flags = ("--port", port, *(("--workers", workers) if workers > 1 else ()))
    command = pinned(cores, sys.executable, "-m", "console.cli", "serve", *flags)
    with _running("Driftline", port, command, os.environ | {"DRIFTLINE_REDIS_URL": redis_url}) as server:
        wait_until(lambda: _grpc_ready(server), server.name)
        yield server


@contextmanager
def feast_server(repository: Path, cores: str, workers: int = 1) -> Iterator[Server]:
    """`feast serve`, tuned as Feast's guide for its online server says; its workers never have to start anew."""
    (port,) = free_ports(1)
    options = ("--host", "127.0.0.1", "--port", port, "--workers", workers, "--no-access-log")
    tuned = ("--worker-connections", 2_000, "--max-requests", 0, "--max-requests-jitter", 0)
    kept = ("--keep-alive-timeout", 30, "--registry_ttl_sec", 300)
    feast = feast_python().with_name("feast")
    command = pinned(cores, feast, "--chdir", repository, "serve", *options, *tuned, *kept)
    with _running("Feast", port, command, _feast_env()) as server:
        wait_until(lambda: _alive(server) and is_open("127.0.0.1", port), server.name)
        yield server


@contextmanager
def _running(name: str, port: int, command: list[str], env: dict[str, str]) -> Iterator[Server]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            yield Server(name, f"127.0.0.1:{port}", process)
        except StackError as error:
            log.seek(0)
            message = f"{error}; {name} said: {log.read().decode(errors='replace').strip()[-600:]}"
            raise StackError(message) from None
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _alive(server: Server) -> bool:
    if server.process.poll() is not None:
        message = f"{server.name} ended with exit code {server.process.returncode}"
        raise StackError(message)
    return True


def _grpc_ready(server: Server) -> bool:
    with grpc.insecure_channel(server.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            return not _alive(server)
    return True
