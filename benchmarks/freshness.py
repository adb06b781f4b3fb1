"""Freshness: the time from handing an event to Kafka's client until gRPC gives scores that contain it.

    python -m benchmarks.freshness [--block-ms 25 50 100] [--rates 100 1000 5000 80%] [--maximal EVENTS_S] [--write]

A new submission for each block_ms, over a topic of its own that begins with a backlog: folding it compiles the JVM's
code, which live traffic alone takes more than a minute for. Then, at each rate, simulated shoppers make live traffic in
a process of its own (benchmarks/traffic.py), while this one probes with users of its own (benchmarks/probes.py); both
count as the rate. Rates in per cent are shares of the maximal rate, measured first unless given: that of a backlog of
such traffic, in which hardly an event shares its block with another of its user. In the end the job must have accounted
for every event.

Points are added to benchmarks/results/freshness.json, so that a long measurement can be split; --fresh forgets the
earlier ones. --write puts all of them into docs/performance.md and docs/images/freshness.svg.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import psutil

from benchmarks.freshness_report import summary, write
from benchmarks.job import run_job
from benchmarks.probes import Probing
from benchmarks.topic_runs import USERS_MAX, JobFigures, drain, fill, live_traffic, own_topic, submit, train
from benchmarks.workbench import Workbench, machine, save, saved, say, workbench
from driftline.metrics import JobMetric

BACKLOG = 150_000  # events that the JVM compiles over
BACKLOG_USERS = 20_000
MAXIMAL_RATE = 5_000  # of the traffic whose backlog is measured, so that its users' pauses are shoppers'
MAXIMAL_S = 40
PROBES_A_SECOND_MAX = 50
PROBES_SHARE_MAX = 0.3  # of the rate
# After a backlog the JVM compiles what only small blocks use: for ten seconds p99 is three times as high.
WARM_UP_S = 20.0
RATE_WARM_UP_S = 8.0  # at another rate of a JVM that has had live traffic for minutes
REPORT_S = 1.5  # Flink gathers its counters when asked for them, and shows them at the next request

Point = dict[str, Any]


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    earlier = [] if options.fresh else saved("freshness").get("points", [])
    with workbench() as bench:
        train(bench)
        maximal = options.maximal or _maximal(bench, options.set)
        measured: list[Point] = []
        rates = [_rate(text, maximal) for text in options.rates]
        for block_ms in options.block_ms:
            measured += measure_block_ms(bench, block_ms, rates, options, warm=bool(measured))
    taken = {_key(point) for point in measured}
    result = {
        "machine": machine(),
        "maximal_events_s": maximal,
        "points": [point for point in earlier if _key(point) not in taken] + measured,
    }
    save("freshness", result)
    print(summary(result))
    if options.write:
        write(result)


def measure_block_ms(
    bench: Workbench, block_ms: int, rates: Sequence[int], options: argparse.Namespace, *, warm: bool
) -> list[Point]:
    """Submit the job with a block_ms and measure it at every rate; `warm` where the JVM has had live traffic before."""
    bench = own_topic(bench, f"events-{block_ms}")
    fill(bench, users=BACKLOG_USERS, events=BACKLOG)
    job_id = submit(bench, "main", [f"block_ms={block_ms}", *options.set])
    drain(bench, "main")
    points: list[Point] = []
    for rate in rates:
        warm_up_s = RATE_WARM_UP_S if warm and points else WARM_UP_S
        point = {"block_ms": block_ms, "label": options.label}
        point |= measure_rate(bench, job_id, rate, options.seconds, warm_up_s)
        say(summary({"points": [point]}))
        points.append(point)
    bench.cancel(job_id)
    return points


def measure_rate(bench: Workbench, job_id: str, rate: int, seconds: float, warm_up_s: float) -> Point:
    """Probe under live traffic; both together are `rate` events a second."""
    probes_a_second = min(PROBES_A_SECOND_MAX, int(rate * PROBES_SHARE_MAX))
    length_s = warm_up_s + seconds + 2 * REPORT_S + 1
    with live_traffic(bench, rate=rate - probes_a_second, users_of=rate, seconds=length_s) as traffic:
        time.sleep(warm_up_s)
        before = _usage(bench, job_id, traffic.pid)
        probes = Probing(bench.settings, probes_a_second, seconds).run()
        after = _usage(bench, job_id, traffic.pid)
        checkpoints = JobFigures(bench.settings.flink_address).checkpoints(job_id)
        assert traffic.stdout is not None  # noqa: S101  (a pipe)
        played = json.loads(traffic.stdout.readline())
    began_s = time.monotonic()
    drained = drain(bench, "main")
    return {
        "rate": rate,
        "probes": probes,
        "checkpoints": [(checkpoint.began_ms, checkpoint.took_ms) for checkpoint in checkpoints],
        "events_a_block": (after["events"] - before["events"]) / max(after["blocks"] - before["blocks"], 1),
        "cores": _cores(before, after),
        "traffic_behind_ms": played["behind_ms_max"],
        "drained_after_s": time.monotonic() - began_s,
        "lost": drained.published - drained.totals.events,
    }


def _cores(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """Cores in use by process, and by everything else on the machine, which should be little."""
    took_s = after["time_s"] - before["time_s"]
    cores = {name: (after["cpu_s"][name] - before["cpu_s"][name]) / took_s for name in before["cpu_s"]}
    return cores | {"else": (after["busy_s"] - before["busy_s"]) / took_s - sum(cores.values())}


def _usage(bench: Workbench, job_id: str, traffic_pid: int) -> dict[str, Any]:
    """CPU seconds by process, and the job's counters of events and blocks."""
    flink = JobFigures(bench.settings.flink_address)
    cpu_s = {name: cpu for name, (cpu, _) in bench.usage().items()}
    for name, process in (("traffic", psutil.Process(traffic_pid)), ("probing", psutil.Process())):
        times = process.cpu_times()
        cpu_s[name] = times.user + times.system
    machine_s = psutil.cpu_times()
    time_s = time.monotonic()
    flink.counter(job_id, JobMetric.BLOCKS)
    time.sleep(REPORT_S)
    return {
        "time_s": time_s,
        "cpu_s": cpu_s,
        "busy_s": sum(machine_s) - machine_s.idle - machine_s.iowait - machine_s.guest,
        "events": flink.counter(job_id, JobMetric.EVENTS_ACCEPTED),
        "blocks": flink.counter(job_id, JobMetric.BLOCKS),
    }


def _maximal(bench: Workbench, assignments: Sequence[str]) -> float:
    """The rate of a backlog of live traffic, in events a second, on a TaskManager that has run one before."""
    bench = own_topic(bench, "events-maximal")
    fill(bench, "live", users=USERS_MAX, rate=MAXIMAL_RATE, seconds=MAXIMAL_S, at_once=True)
    cold, _ = run_job(bench, "cold", list(assignments))
    warm, _ = run_job(bench, "warm", list(assignments))
    say(f"maximal: {warm:,.0f} events/s; {cold:,.0f} on a TaskManager that had just started")
    return warm


def _rate(text: str, maximal: float) -> int:
    return round(maximal * float(text[:-1]) / 100) if text.endswith("%") else int(text)


def _key(point: Point) -> tuple[Any, ...]:
    return point["label"], point["block_ms"], point["rate"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block-ms", type=int, nargs="+", default=[25, 50, 100])
    parser.add_argument("--rates", nargs="+", default=["100", "1000", "5000", "80%"], help="events a second, or N%%")
    parser.add_argument("--seconds", type=float, default=40, help="how long each point is probed")
    parser.add_argument("--maximal", type=float, help="events a second over a backlog; measured where it is left out")
    parser.add_argument("--label", default="", help="marks points of a variant; the documents show those without")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the job")
    parser.add_argument("--fresh", action="store_true", help="forget the points of earlier runs")
    parser.add_argument("--write", action="store_true", help="into docs/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
