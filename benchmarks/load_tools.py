"""Standard load tools, built once into the cache: ghz for gRPC, k6 for HTTP."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving_users import USERS
from driftline.errors import StackError

CACHE = Path.home() / ".cache" / "driftline" / "bench"
ROOT = Path(__file__).resolve().parents[1]
GHZ = ("ghz", "github.com/bojand/ghz/cmd/ghz", "v0.121.0")
K6 = ("k6", "go.k6.io/k6", "v1.8.1")


@dataclass(frozen=True)
class Load:
    """What one run of a load tool saw."""

    requests_s: float
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int
    tool_cpu_s: float


@dataclass(frozen=True)
class Shape:
    """How a server is loaded: closed loops of `concurrency` callers, or `rate` requests a second if it is not 0."""

    seconds: float
    concurrency: int
    connections: int
    cores: str  # that the load tool may use, as taskset takes them
    rate: int = 0


def tool(name: str, package: str, version: str) -> Path:
    """The path of a tool, which is built if it is missing. Raises StackError where that cannot be."""
    folder = CACHE / f"{name}-{version}"
    if not (folder / name).exists():
        go = shutil.which("go")
        if go is None:
            message = f"{name} is built with Go, which is missing; install Go 1.24 or later (https://go.dev/dl)"
            raise StackError(message)
        command = [go, "install", "-trimpath", f"{package}@{version}"]
        done = subprocess.run(
            command, check=False, env=os.environ | {"GOBIN": str(folder)}, stderr=subprocess.PIPE, text=True
        )
        if done.returncode:
            message = f"{' '.join(command)} failed: {done.stderr.strip()[-400:]}"
            raise StackError(message)
    return folder / name


def pinned(cores: str, *command: object) -> list[str]:
    """The command on some cores only; all of them where `cores` is empty."""
    words = [str(word) for word in command]
    return ["taskset", "-c", cores, *words] if cores else words


def ghz(address: str, method: str, requests: Path, shape: Shape, timeout_ms: int = 5_000) -> Load:
    """Load a method of ScoreService with the requests of a JSON file, which take turns. Answers are not decoded.

    At a rate, ghz collects no garbage: on one core that stops its own callers for 2 to 5 ms several times a second,
    which would be all that the 99th percentile tells.
    """
    command = [
        tool(*GHZ),
        "--insecure",
        *("--proto", ROOT / "benchmarks" / "undecoded.proto"),
        *("--call", f"driftline.serving.v1.ScoreService/{method}", "--data-file", requests),
        *("--concurrency", shape.concurrency, "--connections", shape.connections),
        *("--duration", f"{shape.seconds}s", "--duration-stop", "wait", "--timeout", f"{timeout_ms}ms"),
        *(("--rps", shape.rate) if shape.rate else ()),
        *("--count-errors", "--format", "json", address),
    ]
    output, cpu_s = _run(pinned(shape.cores, *command), {"GOGC": "off"} if shape.rate else {})
    report = json.loads(output)
    quantiles = {entry["percentage"]: entry["latency"] / 1e6 for entry in report["latencyDistribution"] or []}
    good = report["statusCodeDistribution"].get("OK", 0)
    return Load(
        requests_s=report["rps"],
        p50_ms=quantiles.get(50, 0.0),
        p99_ms=quantiles.get(99, 0.0),
        requests=report["count"],
        errors=report["count"] - good,
        tool_cpu_s=cpu_s,
    )


def k6(url: str, service: str, batch: int, shape: Shape) -> Load:
    """Ask Feast's server for a feature service of `batch` users a request; as many connections as callers."""
    with tempfile.TemporaryDirectory(prefix="driftline-k6-") as folder:
        summary = Path(folder) / "summary.json"
        values = {
            "URL": url,
            "SERVICE": service,
            "BATCH": batch,
            "USERS": USERS,
            "VUS": shape.concurrency,
            "SECONDS": shape.seconds,
            "SUMMARY": summary,
        }
        flags = [part for name, value in values.items() for part in ("--env", f"{name}={value}")]
        script = ROOT / "benchmarks" / "feast_load.js"
        command = [tool(*K6), "run", "--quiet", "--no-usage-report", "--address", "", *flags, script]
        _, cpu_s = _run(pinned(shape.cores, *command))
        metrics: dict[str, Any] = json.loads(summary.read_text())["metrics"]
    took, failed = metrics["http_req_duration"]["values"], metrics["http_req_failed"]["values"]
    return Load(
        requests_s=metrics["http_reqs"]["values"]["rate"],
        p50_ms=took["med"],
        p99_ms=took["p(99)"],
        requests=metrics["http_reqs"]["values"]["count"],
        errors=failed["passes"],
        tool_cpu_s=cpu_s,
    )


def _run(command: list[str], variables: dict[str, str] | None = None) -> tuple[str, float]:
    """The output, and the CPU seconds that it took. Raises StackError if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = os.environ | (variables or {})
    done = subprocess.run(command, check=False, env=env, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        message = f"{Path(command[-1]).name}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}"
        raise StackError(message)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
