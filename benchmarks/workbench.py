"""A stack of its own for a benchmark, in a temporary folder and on free ports, and what runs on it."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from console.flink_rest import ENDED, FlinkRest
from console.local import Stack, flink_client, flink_env, free_ports
from console.settings import StackSettings
from driftline.units import MIB

ROOT = Path(__file__).resolve().parents[1]
_BEGAN_S = time.monotonic()


@dataclass(frozen=True)
class Workbench:
    """A running stack and the command line that talks to it."""

    settings: StackSettings
    environment: dict[str, str]

    def driftline(self, *arguments: str, **variables: str) -> str:
        """Run a driftline command with more environment variables, and return what it prints."""
        command = [sys.executable, "-m", "console.cli", *arguments]
        environment = self.environment | variables
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout

    @property
    def flink(self) -> FlinkRest:
        """The cluster's REST API."""
        return FlinkRest(self.settings.flink_address)

    def run_flink_script(self, script: str, *arguments: str, mode: str = "thread") -> str:
        """Submit a script of its own in an execution mode of PyFlink, and return its job's id."""
        options = ["--detached", f"-Dpython.execution-mode={mode}", "--python", str(ROOT / script)]
        command = flink_client(self.settings, "run", *options, *arguments)
        environment = flink_env(self.settings) | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        found = re.search(r"as job ([0-9a-f]{32})", done.stdout)
        if not found:
            raise RuntimeError(done.stdout + done.stderr)
        return found.group(1)

    def cancel(self, job_id: str) -> None:
        """Cancel a job and wait until it has ended."""
        self.flink.cancel(job_id)
        while self.flink.state(job_id) not in ENDED:
            time.sleep(0.05)

    def usage(self) -> dict[str, tuple[float, float]]:
        """CPU seconds so far and resident MiB, by service."""
        usage = {}
        for status in Stack(self.settings).status():
            if status.pid:
                process = psutil.Process(status.pid)
                times = process.cpu_times()
                usage[status.name] = (times.user + times.system, process.memory_info().rss / MIB)
        return usage


@contextmanager
def workbench(**changed: Any) -> Iterator[Workbench]:
    """Start a stack, and stop and remove it at the end."""
    kafka, redis, flink, grpc = free_ports(4)
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
        ports = {"kafka_port": kafka, "redis_port": redis, "flink_port": flink, "grpc_port": grpc}
        settings = StackSettings.load(home=Path(folder) / "home", **ports, **changed)
        variables = {f"DRIFTLINE_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value}
        stack = Stack(settings)
        with ended_in_order():
            try:
                stack.up(report=say)
                yield Workbench(settings, os.environ | variables)
            finally:
                stack.down(purge=True)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM leave the block by an exception: a stack that stays behind would show in the next measurement."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def say(text: str) -> None:
    """Report progress on stderr, with the seconds since this program began: a long wait shows."""
    print(f"{time.monotonic() - _BEGAN_S:5.0f} s  {text}", file=sys.stderr, flush=True)


def machine() -> str:
    """What this ran on, in one line."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    cores, memory = os.cpu_count(), psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("apache-flink", "scikit-learn", "onnxruntime", "redis"))
    return f"{cores} cores of {model}, {memory:.0f} GiB; Python {platform.python_version()}, {packages}"


def spread(values: list[float], form: str = ",.0f") -> str:
    """Minimum, median and maximum."""
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    return " / ".join(format(value, form) for value in (ordered[0], middle, ordered[-1]))


def save(name: str, result: dict[str, Any]) -> None:
    """Keep the figures beside what was printed, in benchmarks/results (not committed)."""
    file = result_file(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n")


def saved(name: str) -> dict[str, Any]:
    """The figures that were kept under this name; empty where there are none."""
    file = result_file(name)
    return dict(json.loads(file.read_text())) if file.exists() else {}


def result_file(name: str) -> Path:
    """Where figures are kept."""
    return ROOT / "benchmarks" / "results" / f"{name}.json"
