"""The runs of the server's benchmark, side by side, and what is required of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load_tools import Load
from benchmarks.serving_contenders import RedisProcess, Server
from benchmarks.workbench import say

STEADY_S_MIN = 10.0


@dataclass(frozen=True)
class Check:
    """A figure and what is required of it."""

    what: str
    value: float
    required: str
    met: bool

    def __str__(self) -> str:
        return f"{self.what:<66} {self.value:>8.2f}   {self.required:<10} {'met' if self.met else 'NOT MET'}"


@dataclass
class Bench:
    """What every part uses, and what it has found."""

    store: RedisProcess
    repository: Path
    singles: Path
    batches: Path
    seconds: float
    repeats: int
    quick: bool = False
    runs: list[dict[str, Any]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def steady_s(self) -> float:
        """Length of a run at a steady rate, of which the 99th percentile counts: it needs many calls."""
        return self.seconds if self.quick else max(self.seconds, STEADY_S_MIN)

    def run(self, label: str, server: Server, load: Callable[[], Load]) -> Load:
        """Measure once, with the CPU seconds of everyone."""
        before_s, redis_before_s, busy_before_s = server.cpu_s(), self._redis_cpu_s(), _busy_s()
        seen = load()
        cpu_s, redis_cpu_s = server.cpu_s() - before_s, self._redis_cpu_s() - redis_before_s
        others_cpu_s = max(0.0, _busy_s() - busy_before_s - cpu_s - redis_cpu_s - seen.tool_cpu_s)
        cpu = {"server_cpu_s": cpu_s, "redis_cpu_s": redis_cpu_s, "others_cpu_s": others_cpu_s}
        self.runs.append({"what": label, **asdict(seen), **cpu})
        say(
            f"{label:<44} {seen.requests_s:>8,.0f}/s  p50 {seen.p50_ms:>7.2f}  p99 {seen.p99_ms:>7.2f} ms"
            f"  CPU s: server {cpu_s:.1f}, tool {seen.tool_cpu_s:.1f}, Redis {redis_cpu_s:.1f}"
            f", others {others_cpu_s:.1f}" + (f"  {seen.errors:,} ERRORS" if seen.errors else "")
        )
        return seen

    def median(self, label: str, name: str) -> float:
        """The median of a figure over the runs of this label."""
        return statistics.median(float(run[name]) for run in self.runs if run["what"] == label)

    def ratio(self, label: str, other: str, name: str) -> float:
        """The median of `ratios`: the machine's speed drifts, so runs are compared within their pair alone."""
        return statistics.median(self.ratios(label, other, name))

    def ratios(self, label: str, other: str, name: str) -> list[float]:
        """The ratios of a figure between runs that followed each other, sorted."""
        mine_of, theirs_of = ([run[name] for run in self.runs if run["what"] == what] for what in (label, other))
        return sorted(float(mine) / float(theirs) for mine, theirs in zip(mine_of, theirs_of, strict=True))

    def at_least(self, what: str, value: float, least: float) -> None:
        """Require a least value."""
        self.checks.append(Check(what, value, f">= {least:g}", value >= least))

    def at_most(self, what: str, value: float, most: float) -> None:
        """Require a value of at most this."""
        self.checks.append(Check(what, value, f"<= {most:g}", value <= most))

    def _redis_cpu_s(self) -> float:
        return Server("Redis", "", self.store.process).cpu_s()


def _busy_s() -> float:
    """CPU seconds that all cores have worked so far, or were taken away by other guests of the host."""
    times = psutil.cpu_times()
    return times.user + times.system + times.softirq + times.irq + times.steal + times.nice
