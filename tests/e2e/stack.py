"""The real stack behind the tests: the command line as a user runs it, and looks at what lies behind it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import psutil

from console.flink_rest import ENDED, FlinkRest
from console.local import free_ports
from console.local.logs import tail
from console.local.ports import is_free
from console.local.process import load_records
from console.settings import StackSettings

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("DRIFTLINE_KAFKA_PORT", "DRIFTLINE_REDIS_PORT", "DRIFTLINE_FLINK_PORT", "DRIFTLINE_GRPC_PORT")
METRICS_PORTS = 10  # one a process of Flink; those that are started again take the next
UP = ("up", "--detach", "--task-managers", "2")
COMMAND_S_MAX = 200.0
WAIT_S_MAX = 60.0
_LOG_LINES = 25

_log = logging.getLogger(__name__)  # pytest --log-cli-level=INFO shows how long each command takes

T = TypeVar("T")


def eventually(look: Callable[[], T], accept: Callable[[T], bool], what: str, timeout_s: float = WAIT_S_MAX) -> T:
    """Look until what is seen is accepted, and return it."""
    deadline_s = time.monotonic() + timeout_s
    while not accept(seen := look()):
        assert time.monotonic() < deadline_s, f"{what}: not after {timeout_s:g} s; last seen: {seen!r:.2000}"
        time.sleep(0.05)
    return seen


def free_range(count: int) -> range:
    """Ports in a row that nobody listens on now."""
    while True:
        (first,) = free_ports(1)
        if all(is_free(port) for port in range(first, first + count)):
            return range(first, first + count)


class RealStack:
    """A stack with a home and ports of its own; nothing of it outlives `down`. `more` are variables of its settings."""

    def __init__(self, home: Path, more: Mapping[str, str] | None = None) -> None:
        ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        outside = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")}
        self.home = home
        self.metrics_ports = free_range(METRICS_PORTS)
        prometheus = f"{self.metrics_ports[0]}-{self.metrics_ports[-1]}"
        ports |= dict(more or {})
        self.env = outside | ports | {"DRIFTLINE_HOME": str(home), "DRIFTLINE_FLINK_METRICS_PORTS": prometheus}
        self.settings: StackSettings = StackSettings.load(
            home=home, **{name.removeprefix("DRIFTLINE_").lower(): port for name, port in ports.items()}
        )
        self.flink = FlinkRest(self.settings.flink_address)
        self._jobs: dict[str, int] = {}  # slots of the jobs that were submitted, oldest first

    def driftline(self, *arguments: str, exit_code: int = 0, env: Mapping[str, str] | None = None) -> str:
        """Run a command, check how it ends, and return its standard output; what went wrong shows both outputs."""
        return self._run(arguments, exit_code, env).stdout

    def errors(self, *arguments: str, exit_code: int = 0, env: Mapping[str, str] | None = None) -> str:
        """The same; returns its standard error."""
        return self._run(arguments, exit_code, env).stderr

    def fails(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command that is to fail; returns its standard error."""
        return self.errors(*arguments, exit_code=1, env=env)

    def begin(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command that the test feeds or waits for."""
        pipe = subprocess.PIPE
        own = self.env | dict(env or {})
        return subprocess.Popen(
            self._command(arguments), env=own, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def end(self, command: subprocess.Popen[str]) -> str:
        """Wait for a command that was begun, check that it succeeds, and return its standard output."""
        out, err = command.communicate(timeout=COMMAND_S_MAX)
        check_exit(cast("list[str]", command.args)[3:], command.returncode, 0, out, err)
        return out

    def up(self) -> None:
        """Start what is missing."""
        self.driftline(*UP)

    def down(self) -> list[str]:
        """Stop everything, whatever state it is in; returns the processes that `driftline down` left behind."""
        started = self.processes()
        try:
            self.driftline("down")
        finally:
            _, left = psutil.wait_procs(started, timeout=5)
            names = [" ".join(process.cmdline()[-3:]) for process in left if process.is_running()]
            for process in left:  # by process, not by name: psutil knows whether a pid still means the same one
                process.kill()
        return names

    def pid(self, service: str) -> int:
        """The pid of a running service."""
        found = {one["name"]: one for one in json.loads(self.driftline("status", "--json"))}
        return int(found[service]["pid"])

    def processes(self) -> list[psutil.Process]:
        """Every process of the stack: those that were started, and their descendants."""
        own = [process for record in load_records(self.home / "run") if (process := record.process())]
        return [*own, *(child for process in own for child in process.children(recursive=True))]

    def submit(
        self, *arguments: str, job: str = "score-events", parallelism: int = 1, env: Mapping[str, str] | None = None
    ) -> str:
        """Submit a job and return its id. The oldest jobs make room where slots are missing."""
        self.make_room(parallelism)
        slots = ("--set", f"parallelism={parallelism}") if parallelism > 1 else ()
        out = self.driftline("submit", job, *arguments, *slots, env=env)
        words = out.split()
        job_id = words[words.index("job") + 1]
        assert self.flink.state(job_id) == "RUNNING"
        self._jobs[job_id] = parallelism
        return job_id

    def runs(self, job_id: str) -> bool:
        """Whether the job has not ended."""
        return any(job.job_id == job_id and job.state not in ENDED for job in self.flink.jobs())

    def rest(self, path: str) -> Any:
        """The reply of Flink's REST API."""
        return self.flink.get(path)

    def prometheus(self) -> str:
        """What all processes of Flink answer Prometheus."""
        found = []
        for port in self.metrics_ports:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
                found.append(reply.read().decode())
        return "\n".join(found)

    def log_tails(self) -> str:
        """The last lines of every log."""
        logs = self.home / "logs"
        files = sorted([*logs.glob("*.log"), *logs.glob("*.out")])
        return "\n".join(f"--- {file.name}\n{tail([file], _LOG_LINES)}" for file in files if file.stat().st_size)

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "console.cli", *arguments]

    def _run(
        self, arguments: Sequence[str], exit_code: int, env: Mapping[str, str] | None
    ) -> subprocess.CompletedProcess[str]:
        started_s = time.monotonic()
        done = subprocess.run(
            self._command(arguments),
            env=self.env | dict(env or {}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
        _log.info("%5.1f s: driftline %s", time.monotonic() - started_s, " ".join(arguments))
        check_exit(arguments, done.returncode, exit_code, done.stdout, done.stderr)
        return done

    def make_room(self, slots: int) -> None:
        """Cancel the oldest jobs until so many slots are free."""
        while self.flink.free_slots() < slots:
            running = [job_id for job_id in self._jobs if self.runs(job_id)]
            if running:
                freed = self.flink.free_slots() + self._jobs[running[0]]
                self.flink.cancel(running[0])
                eventually(self.flink.free_slots, lambda free: free >= freed, "the cancelled job's slots are free")  # noqa: B023
            else:
                eventually(self.flink.free_slots, lambda free: free >= slots, "the TaskManagers have registered")


def check_exit(arguments: Sequence[str], code: int, wanted: int, stdout: str, stderr: str) -> None:
    """Fail with everything that the command said, unless it ended as wanted."""
    assert code == wanted, (
        f"driftline {' '.join(arguments)}\nexited with {code}, not {wanted}\n"
        f"--- stdout\n{stdout[-4000:]}\n--- stderr\n{stderr[-4000:]}"
    )
