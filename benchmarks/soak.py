"""Soak: an hour of live traffic while TaskManagers and Redis are killed, then every total must add up.

    SOAK_MINUTES=60 python -m benchmarks.soak [--rate 500] [--seed 1]

Every few minutes one process of the stack is killed with SIGKILL and started again by `driftline up`. At the end the
job must account for every published event, and a second job that reads the same topic from its beginning, undisturbed,
into a namespace of its own, must export the same scores. Memory of the TaskManager is printed every minute.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time

import psutil

from benchmarks.workbench import ROOT, Workbench, say, workbench
from console.local import Stack

KILL_EVERY_S = 180
LOOK_EVERY_S = 60
VICTIMS = ("taskmanager-1", "redis", "taskmanager-1", "kafka")


def main() -> None:
    """Soak, and exit 1 with the difference where the scores are not the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--seed", type=int, default=1, help="of the traffic and of the times of the kills")
    options = parser.parse_args()
    seconds = float(os.environ.get("SOAK_MINUTES", "60")) * 60
    with workbench() as bench:
        bench.driftline("submit", "score-events", "--from-nothing")
        soak(bench, seconds, options.rate, random.Random(options.seed))
        print(bench.driftline("drain", "--timeout", "600").strip())
        first = bench.driftline("export-scores").splitlines()
        print(bench.driftline("stop", "score-events").strip())
        bench.driftline("submit", "score-events", "--from-nothing", "--set", "namespace=again")
        bench.driftline("drain", "--namespace", "again", "--timeout", "3600")
        second = bench.driftline("export-scores", "--namespace", "again").splitlines()
    different = [pair for pair in zip(first, second, strict=False) if pair[0] != pair[1]]
    print(f"{len(first):,} users after the kills, {len(second):,} undisturbed, {len(different):,} different")
    if different or len(first) != len(second):
        sys.exit("\n".join(different[0]) if different else "users are missing")


def soak(bench: Workbench, seconds: float, rate: int, rng: random.Random) -> None:
    """Make traffic for `seconds`, and kill something every now and then."""
    ends = time.monotonic() + seconds
    next_kill = time.monotonic() + KILL_EVERY_S * rng.uniform(0.2, 1.0)
    kills = 0
    traffic = _traffic(bench, rate, seconds)
    try:
        while time.monotonic() < ends:
            time.sleep(min(LOOK_EVERY_S, max(1.0, min(next_kill, ends) - time.monotonic())))
            memory = {name: round(mib) for name, (_, mib) in bench.usage().items()}
            say(f"{ends - time.monotonic():,.0f} s to go, resident MiB {memory}")
            if time.monotonic() >= next_kill:
                _kill(bench, VICTIMS[kills % len(VICTIMS)])
                kills += 1
                next_kill = time.monotonic() + KILL_EVERY_S * rng.uniform(0.5, 1.5)
            if traffic.poll() is not None and time.monotonic() < ends:  # Kafka was unavailable for too long
                traffic = _traffic(bench, rate, ends - time.monotonic())
    finally:
        traffic.terminate()
        traffic.wait()


def _traffic(bench: Workbench, rate: int, seconds: float) -> subprocess.Popen[bytes]:
    options = ["--users", str(rate * 20), "--rate", str(rate), "--duration-s", str(max(1.0, seconds))]
    mixed = ["--disorder-ms", "20000", "--duplicates", "0.05"]
    command = [sys.executable, "-m", "console.cli", "simulate", *options, *mixed]
    return subprocess.Popen(command, cwd=ROOT, env=bench.environment)


def _kill(bench: Workbench, victim: str) -> None:
    pid = next((s.pid for s in Stack(bench.settings).status() if s.name == victim), None)
    if pid:
        say(f"killing {victim}")
        psutil.Process(pid).kill()
    Stack(bench.settings).up(report=say)


if __name__ == "__main__":
    main()
