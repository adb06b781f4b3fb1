"""Throughput of score-events over a backlog, beside a JVM-only job over the same topic in the same run.

    python -m benchmarks.job [--events 500000] [--users 50000] [--runs 3] [--declarations FOLDER]
                             [--late-share 0.05 --late-by-ms 86400000]

Everything runs on this machine at once: Kafka, Redis, Flink, and the model, with RocksDB and checkpoints as
flink-conf.yaml sets them. A run submits the job without state on the full topic; its rate is the events after the
first look at its progress, divided by the time until the last is accounted for, so start-up does not count. The first
run on a new TaskManager pays for the JVM's compiler; it is printed by itself. With a folder of declarations, each run
is followed by one with these, and the rates are compared. With --late-share, likewise, by one over a topic to which a
share of the same events comes late by --late-by-ms of event time, with a `disorder_ms` above that; then the bytes of
users' states are printed, too.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.checks import Check, at_least, at_most
from benchmarks.late_events import delay, settings_for, state_sizes
from benchmarks.report import EVENTS_S_MIN
from benchmarks.state_size import everyday_state
from benchmarks.topic_runs import own_topic
from benchmarks.workbench import Workbench, machine, save, say, spread, workbench
from console.progress import TopicProgress
from driftline.units import DAY_MS, KIB

TRAINING_EVENTS = 60_000
HISTORY_SEED = "5"
LATE_RATIO_MIN = 0.8
EVERYDAY_EVENTS, EVERYDAY_BYTES_MAX = 10, 2 * KIB  # a typical user who comes every day


@dataclass(frozen=True)
class Kind:
    """Runs of one kind, which take turns with those of others: a topic and settings of the job."""

    name: str
    label: str
    bench: Workbench
    assignments: list[str]
    rates: list[float] = field(default_factory=list)
    cpu_s: list[dict[str, float]] = field(default_factory=list)

    def run(self, name: str) -> float:
        """Run once more, and return the rate in events a second."""
        rate, seconds = run_job(self.bench, f"{self.name}{name}", self.assignments)
        self.rates.append(rate)
        self.cpu_s.append(seconds)
        return rate

    def ratios(self, other: Kind) -> list[float]:
        """The rates of this kind by those of another, turn by turn."""
        return [mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True)]


def main() -> None:
    """Measure and print."""
    options = _options()
    with workbench() as bench:
        prepare(bench, options.events, options.users)
        usual = Kind("run", "score-events", bench, options.set)
        others = _others(bench, options)
        jvm: list[float] = []
        cold_jvm = run_jvm_only(bench, options.events)
        cold, _ = run_job(bench, "cold", options.set)
        say(f"cold: JVM only {cold_jvm:,.0f} events/s, score-events {cold:,.0f} events/s")
        for number in range(options.runs):
            jvm.append(run_jvm_only(bench, options.events))
            usual.run(str(number))
            say(f"run {number + 1}: JVM only {jvm[-1]:,.0f} events/s, score-events {usual.rates[-1]:,.0f} events/s")
            for kind in others:
                say(f"run {number + 1}: {kind.label} {kind.run(str(number)):,.0f} events/s")
        states = _states(bench, options) if options.late_share else {}
    print(f"machine: {machine()}")
    print(f"backlog: {options.events:,} events of {options.users:,} users")
    print(f"{options.runs} runs: minimum / median / maximum")
    print(f"JVM only, Kafka to blackhole: {spread(jvm)} events/s")
    print(f"score-events:                 {spread(usual.rates)} events/s")
    print(f"on a TaskManager that has just started, its JVM not warm: {cold_jvm:,.0f} and {cold:,.0f} events/s")
    print(f"ratio to JVM only:            {spread([a / b for a, b in zip(usual.rates, jvm, strict=True)], '.1%')}")
    for kind in others:
        print(f"{kind.label}: {spread(kind.rates)} events/s")
        print(f"ratio to score-events without it: {spread(kind.ratios(usual), '.1%')}")
    _print_cpu([usual, *others], options.events)
    if not others:
        measured = {"jvm_events_s": jvm, "job_events_s": usual.rates, "cold_events_s": cold, "cpu_s": usual.cpu_s}
        save("job", {"machine": machine(), **measured})
    if states:
        late = next(kind for kind in others if kind.name == "late")
        result = {"machine": machine(), "ratios": late.ratios(usual), **states}
        save("late", result)
        print(late_summary(result))


def _print_cpu(kinds: list[Kind], events: int) -> None:
    for kind in kinds:
        for service in kind.cpu_s[0]:
            per_million = [seconds[service] * 1e6 / events for seconds in kind.cpu_s]
            print(f"CPU of {service:<14} {spread(per_million, '.1f')} s per million events ({kind.label})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the job")
    parser.add_argument(
        "--declarations", type=Path, metavar="FOLDER", help="compare with this project, such as a large one"
    )
    parser.add_argument("--late-share", type=float, default=0.0, help="compare with so many of the events late, 0 to 1")
    parser.add_argument("--late-by-ms", type=int, default=DAY_MS, help="how late these are, in event time")
    return parser.parse_args()


def _others(bench: Workbench, options: argparse.Namespace) -> list[Kind]:
    """The kinds to compare with; their topics are filled."""
    kinds = []
    if options.declarations:
        project = f"declarations={options.declarations.resolve()}"
        kinds.append(Kind("declared", f"with {options.declarations}", bench, [*options.set, project]))
    if options.late_share:
        late = own_topic(bench, "events-late")
        in_order = bench.settings.home / "in-order.jsonl"
        simulate(bench, options.events, options.users, "--out", str(in_order))
        arriving = _arriving(bench)
        delay(in_order, arriving, share=options.late_share, by_ms=options.late_by_ms)
        late.driftline("publish", str(arriving))
        label = f"with {options.late_share:.0%} of the events {options.late_by_ms / 1_000:,.0f} s late"
        kinds.append(Kind("late", label, late, [*options.set, *settings_for(options.late_by_ms)]))
    return kinds


def _arriving(bench: Workbench) -> Path:
    return bench.settings.home / "arriving.jsonl"


def _states(bench: Workbench, options: argparse.Namespace) -> dict[str, Any]:
    """Bytes of users' states: after the events that came late, and with a day's tail."""
    assignments = [*options.set, *settings_for(options.late_by_ms)]
    return {
        "states": state_sizes(_arriving(bench), assignments),
        "everyday": everyday_state(EVERYDAY_EVENTS),
        "with_uuids": everyday_state(EVERYDAY_EVENTS, uuids=True),
        "busy": everyday_state(2 * EVERYDAY_EVENTS),
    }


def late_summary(result: dict[str, Any]) -> str:
    """What states take after events that came late, and what is required."""
    after, everyday, with_uuids, busy = (result[name] for name in ("states", "everyday", "with_uuids", "busy"))
    return "\n".join(
        [
            f"state of {after['users']:,} users after it: mean {after['state_mean']:,.0f} bytes, median "
            f"{after['state_median']:,.0f}, p99 {after['state_p99']:,.0f}",
            f"state of {everyday['users']} users with a day of {everyday['tail_median']:.0f} events (median) in the "
            f"tail: median {everyday['state_median']:,.0f} bytes, at most {everyday['state_max']:,.0f}; where ids are "
            f"UUIDs median {with_uuids['state_median']:,.0f}; with {busy['tail_median']:.0f} events median "
            f"{busy['state_median']:,.0f}",
            *map(str, late_checks(result)),
        ]
    )


def late_checks(result: dict[str, Any]) -> list[Check]:
    """What is required where events come late."""
    everyday = result["everyday"]["state_median"]
    return [
        at_least("with late events by without, events/s", median(result["ratios"]), LATE_RATIO_MIN, form=".2f"),
        at_most(
            f"state of a user with a day of {EVERYDAY_EVENTS} events in the tail, bytes", everyday, EVERYDAY_BYTES_MAX
        ),
    ]


def checks(result: dict[str, Any]) -> list[Check]:
    """What is required of the job's rate."""
    return [
        at_least(
            "Driftline, half a million events without disorder, events/s", median(result["job_events_s"]), EVENTS_S_MIN
        )
    ]


def prepare(bench: Workbench, events: int, users: int) -> None:
    """Train a model and fill the topic."""
    history = bench.settings.home / "training.jsonl"
    shoppers = ["--users", "3000", "--events", str(TRAINING_EVENTS), "--seed", "1"]
    bench.driftline("simulate", *shoppers, "--out", str(history))
    say(bench.driftline("train", "--events", str(history)))
    simulate(bench, events, users)


def simulate(bench: Workbench, events: int, users: int, *options: str) -> None:
    """Make the history that is measured; it goes to the topic unless the options say otherwise."""
    bench.driftline("simulate", "--users", str(users), "--events", str(events), "--seed", HISTORY_SEED, *options)


def run_jvm_only(bench: Workbench, events: int) -> float:
    """Return the rate, in events a second, at which the JVM alone reads the topic; start-up not counted."""
    settings = bench.settings
    job_id = bench.run_flink_script("benchmarks/jvm_only.py", settings.events_topic, settings.kafka_address)
    while bench.flink.state(job_id) != "FINISHED":
        time.sleep(0.05)
    return events / bench.flink.running_s(job_id)


def run_job(bench: Workbench, namespace: str, assignments: list[str]) -> tuple[float, dict[str, float]]:
    """Return the job's rate in events a second, and the CPU seconds that each service took for all events."""
    before = bench.usage()
    progress = TopicProgress(bench.settings, namespace)
    flags = [part for assignment in assignments for part in ("--set", assignment)]
    bench.driftline("submit", "score-events", "--from-nothing", "--set", f"namespace={namespace}", *flags)
    first = progress.look()
    began_s = time.monotonic()
    while not (seen := progress.look()).done:
        time.sleep(0.02)
    took_s = time.monotonic() - began_s
    progress.close()
    after = bench.usage()
    bench.cancel(next(job.job_id for job in bench.flink.jobs() if job.name == f"score-events {namespace}"))
    totals = seen.totals
    if totals.accepted != seen.published:
        message = f"of {seen.published} events only {totals.accepted} were accepted: {totals}"
        raise AssertionError(message)
    if totals.events == first.totals.events:
        message = f"all of {seen.published:,} events were accounted for at the first look: too few to measure"
        raise RuntimeError(message)
    rate = (totals.events - first.totals.events) / took_s
    return rate, {name: cpu - before[name][0] for name, (cpu, _) in after.items() if name in before}


if __name__ == "__main__":
    main()
