"""A local replay for a benchmark: its rate, and what its processes take."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from typing import NamedTuple, cast

import psutil

from benchmarks.workbench import Workbench
from console.replaying.local import Look, replay_locally
from console.submission import job_settings
from driftline.units import MIB
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_store import Progress

_LOOK_S = 0.5
_QUARTERS = 4


class LocalRun(NamedTuple):
    """A run.

    Attributes:
        rate: events a second, from the first that were folded to the last user's scores in Redis.
        cpu_s: of its processes.
        memory_mib: resident of all its processes, by quarter of the events: the most in it.
        totals: the four counters.
    """

    rate: float
    cpu_s: float
    memory_mib: list[float]
    totals: Progress


def run_local(bench: Workbench, lake: str, namespace: str) -> LocalRun:
    """Replay the bench's lake into a namespace, in a process a core."""
    given = {"namespace": namespace, "lake_url": lake}
    settings = cast("ScoreEventsSettings", job_settings("score-events", bench.settings, given).as_submitted())
    watch = _Watch()
    before_s = _children_s()
    found = replay_locally(settings, report=watch.look)
    rate = (found.records - watch.first) / (time.monotonic() - watch.began_s)
    return LocalRun(rate, _children_s() - before_s, watch.by_quarter(), found.totals)


class _Watch:
    """When the first events were folded, and what the processes hold resident along the way."""

    def __init__(self) -> None:
        self.began_s = 0.0
        self.first = 0
        self._looked_s = 0.0
        self._most_mib = [0.0] * _QUARTERS

    def look(self, look: Look) -> None:
        now_s = time.monotonic()
        if not self.began_s:
            self.began_s, self.first = now_s, look.records
        if now_s < self._looked_s + _LOOK_S:
            return
        self._looked_s = now_s
        quarter = min(_QUARTERS - 1, look.records * _QUARTERS // max(look.total, 1))
        resident = sum(_resident_mib(child) for child in psutil.Process().children(recursive=True))
        self._most_mib[quarter] = max(self._most_mib[quarter], resident)

    def by_quarter(self) -> list[float]:
        """The most in each quarter."""
        return filled(self._most_mib)


def filled(most_mib: Sequence[float]) -> list[float]:
    """Return the most in each quarter; one that was too short to look at has that of the one before."""
    found: list[float] = []
    for most in most_mib:
        found.append(most or (found[-1] if found else 0.0))
    return found


def _resident_mib(process: psutil.Process) -> float:
    try:
        if "console.replaying" not in " ".join(process.cmdline()) and "spawn_main" not in " ".join(process.cmdline()):
            return 0.0  # the stack's
        return float(process.memory_info().rss) / MIB
    except psutil.Error:  # it has ended
        return 0.0


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
