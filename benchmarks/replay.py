"""The rate of a replay beside that of the live job, on the same backlog in the same run, and the memory it takes.

    python -m benchmarks.replay [--events 2000000] [--users 50000] [--runs 1] [--parallelism 2]

One topic is processed from its beginning several times a run, each into a namespace of its own: by the live job with
its default settings, and with as many slots as the replays; by a replay from the topic and one from the lake, with the
settings that `driftline replay` gives them; and by `driftline replay --local`, without Flink. The lake is filled from
the topic before, which is not measured.
Rates are those of benchmarks.job: start-up does not count, but for `--local`, whose processes start in moments. Memory
is what the TaskManager holds resident along the way, or the processes of `--local`; it is flat where the last quarter
of a run takes no more than the one before, but for what a JVM frees late.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.checks import Check, at_least, at_most, lines
from benchmarks.lake_runs import fill_lake, publish_chunks
from benchmarks.local_runs import filled, run_local
from benchmarks.measuring import clear_redis
from benchmarks.topic_runs import fill, own_topic, submit, submitting, train
from benchmarks.workbench import Workbench, machine, save, say, spread, workbench
from console.progress import TopicProgress
from jobs.replay_settings import replay_settings
from sink_connectors.score_store import Progress

RATIO_MIN = 1.5
GROWTH_MAX = 1.1  # of resident memory from the third quarter of a run to the last
WARM_UP_EVENTS = 300_000  # after which the JVM has compiled what runs often
LOOK_S = 0.05
LOOK_AT_MEMORY_S = 0.5
CHUNKS_TOPIC = "replay-chunks"
LIVE, WIDE = "live job", "live job, slots of the replay"
TOPIC, LAKE, LOCAL = "replay of the topic", "replay of the lake", "replay --local"


@dataclass(frozen=True)
class Run:
    """One run over the backlog.

    Attributes:
        rate: events a second.
        cpu_s: of the TaskManagers, or the processes of a local replay, for each million events.
        memory_mib: resident of all of them, by quarter of the events: the most in it.
        totals: the four counters.
    """

    rate: float
    cpu_s: float
    memory_mib: list[float]
    totals: tuple[int, int, int, int]

    @property
    def growth(self) -> float:
        """Memory of the last quarter by that of the one before."""
        return self.memory_mib[3] / max(self.memory_mib[2], 1.0)


def main() -> None:
    """Measure and print."""
    options = _options()
    kinds = _kinds(options)
    found: dict[str, list[Run]] = {kind: [] for kind in (*kinds, LOCAL)}
    with workbench() as stack:
        train(stack)
        bench = own_topic(stack, "events-replay")
        events = fill(bench, users=options.users, events=options.events)
        say(f"{events:,} events are on the topic")
        lake = str(stack.settings.home / "bench-lake")
        filed = fill_lake(bench, lake)
        say(f"{filed:,} records are in the lake, {publish_chunks(bench, lake, CHUNKS_TOPIC):,} chunks planned")
        _warm_up(bench, options.parallelism)
        for number in range(options.runs):
            for kind, assignments in kinds.items():
                clear_redis(bench.settings)
                namespace = f"run-{sum(map(len, found.values()))}"
                run = _run(bench, namespace, [one.format(lake=lake) for one in assignments])
                found[kind].append(run)
                say(f"run {number + 1}: {kind} {run.rate:,.0f} events/s")
            clear_redis(bench.settings)
            local = run_local(bench, lake, f"local-{number}")
            found[LOCAL].append(Run(local.rate, local.cpu_s * 1e6 / events, local.memory_mib, local.totals))
            say(f"run {number + 1}: {LOCAL} {local.rate:,.0f} events/s")
    result = {
        "machine": machine(),
        "events": events,
        "users": options.users,
        "runs": {kind: [asdict(run) for run in runs] for kind, runs in found.items()},
    }
    save("replay", result)
    print(text(result))


def _kinds(options: argparse.Namespace) -> dict[str, list[str]]:
    """The settings of each kind of run."""
    replay = [f"{name}={value}" for name, value in replay_settings(options.parallelism).items()]
    return {
        LIVE: [],
        WIDE: [f"parallelism={options.parallelism}"],
        TOPIC: [*replay, *options.set],
        LAKE: [*replay, f"chunks_topic={CHUNKS_TOPIC}", "lake_url={lake}", *options.set],
    }


def _warm_up(bench: Workbench, task_managers: int) -> None:
    """Have every TaskManager fold for a while, alone and together."""
    if task_managers > 1:
        bench.driftline("up", "--detach", "--task-managers", str(task_managers))
    with (
        submitting(bench, lambda: submit(bench, "warm-up", [f"parallelism={task_managers}"])) as submission,
        closing(TopicProgress(bench.settings, "warm-up")) as progress,
    ):
        while progress.look().totals.events < WARM_UP_EVENTS:
            submission.check()
            time.sleep(LOOK_S)


def _run(bench: Workbench, namespace: str, assignments: Sequence[str]) -> Run:
    """Process the topic once with a job of these settings."""
    before = bench.usage()
    memory = _Memory(bench)
    with (
        submitting(bench, lambda: submit(bench, namespace, assignments)) as submission,
        closing(TopicProgress(bench.settings, namespace)) as progress,
    ):
        first, began_s = _watch(progress, memory, submission.check, until_first=True)
        last, ended_s = _watch(progress, memory, submission.check)
        cpu_s = sum(seconds - before.get(name, (0.0, 0))[0] for name, (seconds, _) in _managers(bench).items())
    rate = (last.events - first.events) / (ended_s - began_s)
    totals = last.accepted, last.duplicate, last.late, last.dead_letter
    return Run(rate, cpu_s * 1e6 / last.events, memory.by_quarter(), totals)


def _watch(
    progress: TopicProgress, memory: _Memory, check: Callable[[], None], *, until_first: bool = False
) -> tuple[Progress, float]:
    """Look until everything is processed, or the first record is; return the totals, and when that was."""
    while not (seen := progress.look()).done and not (until_first and seen.totals.events):
        check()
        memory.look(seen.totals.events / max(seen.published, 1))
        time.sleep(LOOK_S)
    return seen.totals, time.monotonic()


class _Memory:
    """What the TaskManagers hold resident, by share of the events that are processed."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._looked_s = 0.0
        self._most_mib = [0.0] * 4

    def look(self, share: float) -> None:
        """Look, unless that was a moment ago."""
        if time.monotonic() < self._looked_s + LOOK_AT_MEMORY_S:
            return
        self._looked_s = time.monotonic()
        quarter = min(3, int(share * 4))
        resident = sum(mib for _, mib in _managers(self._bench).values())
        self._most_mib[quarter] = max(self._most_mib[quarter], resident)

    def by_quarter(self) -> list[float]:
        """The most in each quarter."""
        return filled(self._most_mib)


def _managers(bench: Workbench) -> dict[str, tuple[float, float]]:
    return {name: used for name, used in bench.usage().items() if name.startswith("taskmanager")}


def text(result: dict[str, Any]) -> str:
    """What was measured, and what is required."""
    shown = [f"machine: {result['machine']}", f"backlog: {result['events']:,} events of {result['users']:,} users"]
    shown.append("events/s minimum / median / maximum; ratio to the live job; CPU s a million; MiB by quarter")
    live = [run["rate"] for run in result["runs"][LIVE]]
    for kind, runs in result["runs"].items():
        rates = [run["rate"] for run in runs]
        ratios = [rate / other for rate, other in zip(rates, live, strict=True)]
        memory = " ".join(f"{mib:,.0f}" for mib in runs[-1]["memory_mib"])
        cpu_s = median(run["cpu_s"] for run in runs)
        shown.append(f"{kind:<30} {spread(rates)}; {spread(ratios, '.2f')}; {cpu_s:.1f}; {memory}")
    return "\n".join([*shown, *lines(checks(result))])


def checks(result: dict[str, Any]) -> list[Check]:
    """What is required of replays."""
    runs = result["runs"]
    live = [run["rate"] for run in runs[LIVE]]
    found = []
    for kind in (TOPIC, LAKE):
        ratios = [run["rate"] / rate for run, rate in zip(runs[kind], live, strict=True)]
        found.append(at_least(f"{kind} by the live job, events/s", median(ratios), RATIO_MIN, form=".2f"))
    for kind in (TOPIC, LAKE):
        growth = [run["memory_mib"][3] / max(run["memory_mib"][2], 1.0) for run in runs[kind]]
        found.append(at_most(f"{kind}: memory at its end by that before", median(growth), GROWTH_MAX, form=".2f"))
    same = {tuple(run["totals"]) for of_kind in runs.values() for run in of_kind}
    found.append(Check("counters of all runs", f"{len(same)} different", "1", len(same) == 1))
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--parallelism", type=int, default=2, help="slots of the replays, one a TaskManager")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the replays")
    return parser.parse_args()


if __name__ == "__main__":
    main()
