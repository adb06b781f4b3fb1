"""Throughput of score-events over a backlog, beside a JVM-only job over the same topic in the same run.

    python -m benchmarks.job [--events 500000] [--users 50000] [--runs 3] [--declarations FOLDER]

Everything runs on this machine at once: Kafka, Redis, Flink, and the model, with RocksDB and checkpoints as
flink-conf.yaml sets them. A run submits the job without state on the full topic; its rate is the events after the
first look at its progress, divided by the time until the last is accounted for, so start-up does not count. The first
run on a new TaskManager pays for the JVM's compiler; it is printed by itself. With a folder of declarations, each run
is followed by one with these, and the rates are compared.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.checks import Check, at_least
from benchmarks.report import EVENTS_S_MIN
from benchmarks.workbench import Workbench, machine, save, say, spread, workbench
from console.progress import TopicProgress

TRAINING_EVENTS = 60_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the job")
    parser.add_argument(
        "--declarations", type=Path, metavar="FOLDER", help="compare with this project, such as a large one"
    )
    options = parser.parse_args()
    with workbench() as bench:
        prepare(bench, options.events, options.users)
        jvm, job, cpu, declared = [], [], [], []
        cold_jvm = run_jvm_only(bench, options.events)
        cold, _ = run_job(bench, "cold", options.set)
        say(f"cold: JVM only {cold_jvm:,.0f} events/s, score-events {cold:,.0f} events/s")
        for number in range(options.runs):
            jvm.append(run_jvm_only(bench, options.events))
            rate, seconds = run_job(bench, f"run{number}", options.set)
            job.append(rate)
            cpu.append(seconds)
            say(f"run {number + 1}: JVM only {jvm[-1]:,.0f} events/s, score-events {rate:,.0f} events/s")
            if options.declarations:
                project = f"declarations={options.declarations.resolve()}"
                declared.append(run_job(bench, f"declared{number}", [*options.set, project])[0])
                say(f"run {number + 1}: with {options.declarations} {declared[-1]:,.0f} events/s")
    print(f"machine: {machine()}")
    print(f"backlog: {options.events:,} events of {options.users:,} users")
    print(f"{options.runs} runs: minimum / median / maximum")
    print(f"JVM only, Kafka to blackhole: {spread(jvm)} events/s")
    print(f"score-events:                 {spread(job)} events/s")
    print(f"on a TaskManager that has just started, its JVM not warm: {cold_jvm:,.0f} and {cold:,.0f} events/s")
    print(f"ratio to JVM only:            {spread([a / b for a, b in zip(job, jvm, strict=True)], '.1%')}")
    if declared:
        print(f"with {options.declarations}: {spread(declared)} events/s")
        print(f"ratio to the shipped set:     {spread([a / b for a, b in zip(declared, job, strict=True)], '.1%')}")
    for service in cpu[0]:
        per_million = [seconds[service] * 1e6 / options.events for seconds in cpu]
        print(f"CPU of {service:<14} {spread(per_million, '.1f')} s per million events")
    if not declared:
        measured = {"jvm_events_s": jvm, "job_events_s": job, "cold_events_s": cold, "cpu_s": cpu}
        save("job", {"machine": machine(), **measured})


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
    bench.driftline("simulate", "--users", str(users), "--events", str(events), "--seed", "5")


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
    rate = (totals.events - first.totals.events) / took_s
    return rate, {name: cpu - before[name][0] for name, (cpu, _) in after.items() if name in before}


if __name__ == "__main__":
    main()
