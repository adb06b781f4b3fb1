"""Cost per event as users, history, disorder and TaskManagers grow, and the bytes that a user takes.

    python -m benchmarks.scaling [--only users history disorder task-managers] [--points NAME ...] [--write]

Each point fills a topic of its own, empties Redis, and submits score-events without state on a TaskManager whose JVM
has folded another topic before. Rate and CPU are those of a backlog. Where users grow, one event of every user comes
first and is not measured, so that the measured events meet the state of all. State is that of the first checkpoint
after the last event; Redis bytes are what its allocator holds more than when it was empty.

Points are added to benchmarks/results/scaling.json, so that a long measurement can be split; --fresh forgets earlier
ones. --write puts all of them into docs/performance.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measuring import clear_redis
from benchmarks.scaling_report import summary, write
from benchmarks.state_size import typical_states
from benchmarks.topic_runs import (
    DRAIN_S_MAX,
    LOOK_S,
    Checkpoint,
    JobFigures,
    drain,
    fill,
    own_topic,
    redis_bytes,
    submit,
    train,
)
from benchmarks.workbench import Workbench, machine, save, saved, say, workbench
from driftline.models import ModelFolder
from driftline.progress import TopicProgress

EVENTS = 200_000
WARM_UP = {"users": 20_000, "events": 150_000}
CHECKPOINT_S_MAX = 60.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measurement.

    Attributes:
        name: of the point, of its namespace and its topic.
        series: what grows.
        users: of the history.
        events: measured.
        everyone: whether an event of every user comes first.
        days: that the history spans.
        disorder_ms: by how much events come late, at most.
        task_managers: and parallelism.
    """

    name: str
    series: str
    users: int
    events: int = EVENTS
    everyone: bool = False
    days: float = 14.0
    disorder_ms: int = 0
    task_managers: int = 1


POINTS = (
    *(
        Point(name=f"users-{users}", series="users", users=users, everyone=True)
        for users in (10_000, 100_000, 1_000_000)
    ),
    *(Point(name=f"history-{each}", series="history", users=EVENTS // each, days=30) for each in (10, 100, 1_000)),
    *(Point(name=f"disorder-{s}", series="disorder", users=20_000, disorder_ms=s * 1_000) for s in (0, 10, 60)),
    *(Point(name=f"tm-{n}", series="task-managers", users=20_000, task_managers=n) for n in (1, 2)),
)


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    earlier = {} if options.fresh else saved("scaling")
    chosen = [
        point for point in POINTS if point.series in options.only and point.name in (options.points or [point.name])
    ]
    measured: list[dict[str, Any]] = []
    with workbench() as bench:
        train(bench)
        states = earlier.get("states") or _typical_states(bench)
        _warm_up(bench, max(point.task_managers for point in chosen))
        for point in chosen:
            measured.append(asdict(point) | measure(bench, point, options.set))
            say(summary({"points": measured[-1:]}))
    taken = {point["name"] for point in measured}
    result = {
        "machine": machine(),
        "points": [point for point in earlier.get("points", []) if point["name"] not in taken] + measured,
        "states": states,
    }
    save("scaling", result)
    print(summary(result))
    if options.write:
        write(result)


def measure(bench: Workbench, point: Point, assignments: Sequence[str]) -> dict[str, Any]:
    """Run the job over a topic of its own, and look at rate, CPU, checkpoints and Redis."""
    bench = own_topic(bench, f"events-{point.name}")
    published = fill(
        bench,
        users=point.users,
        events=point.events,
        everyone=point.everyone,
        days=point.days,
        disorder_ms=point.disorder_ms,
    )
    clear_redis(bench.settings)
    empty_bytes = redis_bytes(bench)
    with ThreadPoolExecutor(1) as pool:  # the client returns a while after the job has begun
        submission = pool.submit(submit, bench, point.name, [f"parallelism={point.task_managers}", *assignments])
        figures = _watch(bench, point.name, published - point.events)
        job_id = submission.result()
    last = _checkpoint_after(bench, job_id, time.time_ns() // 1_000_000)
    during = JobFigures(bench.settings.flink_address).checkpoints(job_id)
    with closing(TopicProgress(bench.settings, point.name)) as progress:
        totals = progress.look().totals
    held_bytes = redis_bytes(bench) - empty_bytes
    bench.cancel(job_id)
    if totals.accepted + totals.late != published:
        message = f"of {published:,} events {totals.accepted:,} were accepted: {totals}"
        raise AssertionError(message)
    return figures | {
        "late": totals.late,
        "redis_bytes": held_bytes,
        "state_bytes": last.state_bytes,
        "uploaded_bytes": max(one.uploaded_bytes for one in during),
        "checkpoint_ms": max(one.took_ms for one in during),
        "quiet_checkpoint_ms": last.took_ms,
    }


def _watch(bench: Workbench, namespace: str, unmeasured: int) -> dict[str, Any]:
    """Wait until everything is accounted for; rate and CPU are those after the first `unmeasured` events."""
    with closing(TopicProgress(bench.settings, namespace)) as progress:
        deadline_s = time.monotonic() + DRAIN_S_MAX
        first = progress.look()
        while first.totals.events <= unmeasured:
            _check(deadline_s, first.totals.events)
            time.sleep(LOOK_S)
            first = progress.look()
        began_s, before = time.monotonic(), bench.usage()
        while not (seen := progress.look()).done:
            _check(deadline_s, seen.totals.events)
            time.sleep(LOOK_S)
        took_s, after = time.monotonic() - began_s, bench.usage()
    events = seen.totals.events - first.totals.events
    cpu_s = {name: (cpu - before[name][0]) * 1e6 / events for name, (cpu, _) in after.items()}
    return {
        "events_s": events / took_s,
        "measured": events,
        "cpu_s_per_million": cpu_s,
        "memory_mib": {name: mib for name, (_, mib) in after.items()},
    }


def _check(deadline_s: float, events: int) -> None:
    if time.monotonic() > deadline_s:
        message = f"only {events:,} events were accounted for after {DRAIN_S_MAX:g} s"
        raise TimeoutError(message)


def _checkpoint_after(bench: Workbench, job_id: str, time_ms: int) -> Checkpoint:
    """The first checkpoint that began after `time_ms`."""
    flink, deadline_s = JobFigures(bench.settings.flink_address), time.monotonic() + CHECKPOINT_S_MAX
    while time.monotonic() < deadline_s:
        for found in flink.checkpoints(job_id):
            if found.began_ms > time_ms:
                return found
        time.sleep(0.2)
    message = f"no checkpoint within {CHECKPOINT_S_MAX:g} s"
    raise TimeoutError(message)


def _warm_up(bench: Workbench, task_managers: int) -> None:
    """Start the TaskManagers, and let their JVMs compile over a backlog."""
    if task_managers > 1:
        bench.driftline("up", "--detach", "--task-managers", str(task_managers))
    bench = own_topic(bench, "events-warm-up")
    fill(bench, **WARM_UP)
    job_id = submit(bench, "warm-up", [f"parallelism={task_managers}"])
    drain(bench, "warm-up")
    bench.cancel(job_id)


def _typical_states(bench: Workbench) -> list[dict[str, Any]]:
    folder = ModelFolder(bench.settings.models_dir)
    return typical_states(folder.load(folder.current_version()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    series = list(dict.fromkeys(point.series for point in POINTS))
    parser.add_argument("--only", nargs="+", default=series, choices=series)
    parser.add_argument("--points", nargs="+", choices=[point.name for point in POINTS])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the job")
    parser.add_argument("--fresh", action="store_true", help="forget the points of earlier runs")
    parser.add_argument("--write", action="store_true", help="into docs/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
