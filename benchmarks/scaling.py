"""Cost per event as users, history, disorder and TaskManagers grow, and the bytes that a user takes.

    python -m benchmarks.scaling [--only users history disorder task-managers] [--points NAME ...] [--write]

Each point has a topic of its own; points of the same history share one. It empties Redis, and submits score-events
without state on a TaskManager whose JVM has folded another topic before. Rate and CPU are those of a backlog. Where
users grow, one event of every user comes first and is not measured, so that the measured events meet the state of all.
State is that of the first checkpoint after the last event; Redis bytes are what its allocator holds more than when it
was empty.

One and two TaskManagers are compared over a longer topic, which two have folded WARM_RUNS times before: each JVM
compiles for itself, over its own half of the events, and goes on getting faster for a million of them.

Points are added to benchmarks/results/scaling.json, so that a long measurement can be split; --fresh forgets earlier
ones. --write puts all of them into docs/performance.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from benchmarks.measuring import clear_redis
from benchmarks.scaling_report import summary, write
from benchmarks.state_size import typical_states
from benchmarks.topic_runs import (
    DRAIN_S_MAX,
    LOOK_S,
    JobFigures,
    checkpoint_after,
    drain,
    fill,
    own_topic,
    redis_bytes,
    submit,
    submitting,
    train,
)
from benchmarks.workbench import Workbench, machine, save, saved, say, workbench
from console.progress import TopicProgress
from driftline.models import ModelFolder
from driftline.units import wall_clock_ms

EVENTS = 200_000
LONG_EVENTS = 600_000
WARM_RUNS = 2
DISORDERS_S = (0, 60, 86_400)  # the last is the default bound of the job
WARM_UP = {"users": 20_000, "events": 150_000}


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
        warm_task_managers: how many fold the topic before it is measured; none where the first warm-up is enough.
    """

    name: str
    series: str
    users: int
    events: int = EVENTS
    everyone: bool = False
    days: float = 14.0
    disorder_ms: int = 0
    task_managers: int = 1
    warm_task_managers: int = 0

    @property
    def topic(self) -> str:
        """Named after what is in it."""
        everyone = "-everyone" if self.everyone else ""
        return f"events-{self.users}-{self.events}-{self.days:g}-{self.disorder_ms}{everyone}"


POINTS = (
    *(
        Point(name=f"users-{users}", series="users", users=users, everyone=True)
        for users in (10_000, 100_000, 1_000_000)
    ),
    *(Point(name=f"history-{each}", series="history", users=EVENTS // each, days=30) for each in (10, 100, 1_000)),
    *(Point(name=f"disorder-{s}", series="disorder", users=20_000, disorder_ms=s * 1_000) for s in DISORDERS_S),
    *(
        Point(
            name=f"tm-{n}",
            series="task-managers",
            users=20_000,
            events=LONG_EVENTS,
            task_managers=n,
            warm_task_managers=warm,
        )
        for n, warm in ((1, 2), (2, 0))
    ),
)


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    earlier = {} if options.fresh else saved("scaling")
    chosen = [
        point for point in POINTS if point.series in options.only and point.name in (options.points or [point.name])
    ]
    measured: list[dict[str, Any]] = []
    filled: dict[str, int] = {}
    with workbench() as bench:
        train(bench)
        states = earlier.get("states") or _typical_states(bench)
        _warm_up(bench, max(max(point.task_managers, point.warm_task_managers) for point in chosen))
        for point in chosen:
            own = own_topic(bench, point.topic)
            if point.topic not in filled:
                filled[point.topic] = _fill(own, point)
            measured.append(asdict(point) | measure(own, point, filled[point.topic], options.set))
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


def _fill(bench: Workbench, point: Point) -> int:
    return fill(
        bench,
        users=point.users,
        events=point.events,
        everyone=point.everyone,
        days=point.days,
        disorder_ms=point.disorder_ms,
    )


def measure(bench: Workbench, point: Point, published: int, assignments: Sequence[str]) -> dict[str, Any]:
    """Run the job over the bench's topic, and look at rate, CPU, checkpoints and Redis."""
    for number in range(WARM_RUNS if point.warm_task_managers else 0):
        _fold(bench, f"{point.name}-warm-{number}", point.warm_task_managers)
    clear_redis(bench.settings)
    empty_bytes = redis_bytes(bench)
    given = [f"parallelism={point.task_managers}", *assignments]
    with submitting(bench, partial(submit, bench, point.name, given)) as submission:
        figures = _watch(bench, point.name, published - point.events, submission.check)
        job_id = submission.job_id
        last = checkpoint_after(bench, job_id, wall_clock_ms())
        during = JobFigures(bench.settings.flink_address).checkpoints(job_id)
        with closing(TopicProgress(bench.settings, point.name)) as progress:
            totals = progress.look().totals
        held_bytes = redis_bytes(bench) - empty_bytes
    if totals.accepted + totals.late != published:
        message = f"of {published:,} events {totals.accepted:,} were accepted: {totals}"
        raise AssertionError(message)
    return figures | {
        "late": totals.late,
        "redis_bytes": held_bytes,
        "state_bytes": last.state_bytes,
        "uploaded_bytes": max(checkpoint.uploaded_bytes for checkpoint in during),
        "checkpoint_ms": max(checkpoint.took_ms for checkpoint in during),
        "quiet_checkpoint_ms": last.took_ms,
    }


def _watch(bench: Workbench, namespace: str, unmeasured: int, check: Callable[[], None]) -> dict[str, Any]:
    """Wait until everything is accounted for; rate and CPU are those after the first `unmeasured` events."""
    with closing(TopicProgress(bench.settings, namespace)) as progress:
        deadline_s = time.monotonic() + DRAIN_S_MAX
        first = progress.look()
        while first.totals.events <= unmeasured:
            check()
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


def _warm_up(bench: Workbench, task_managers: int) -> None:
    """Start the TaskManagers, and let their JVMs compile over a backlog."""
    if task_managers > 1:
        bench.driftline("up", "--detach", "--task-managers", str(task_managers))
    bench = own_topic(bench, "events-warm-up")
    fill(bench, **WARM_UP)
    _fold(bench, "warm-up", task_managers)


def _fold(bench: Workbench, namespace: str, task_managers: int) -> None:
    """Run the job over the bench's topic, and measure nothing."""
    job_id = submit(bench, namespace, [f"parallelism={task_managers}"])
    began_s = time.monotonic()
    drain(bench, namespace)
    say(f"{namespace}: drained {time.monotonic() - began_s:.1f} s after its submission")
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
