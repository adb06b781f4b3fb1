"""A million users gone quiet after a backlog: the longest call of a timer, the memory, and freshness beside it.

    python -m benchmarks.quiet_users [--users 1000000] [--gap-s 240] [--seconds 50] [--rate 1000]

A backlog with an event of each user, weeks ago, is folded; a session gap later all of them are due to be looked at:
their sessions are closed, and they are scored at the age that they have reached. Freshness is probed before that, and
while they are looked at, under the same live traffic. In the end the job has to have closed every user's session and
scored every user at an age who did not come again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from statistics import quantiles
from typing import Any

from benchmarks.freshness import REPORT_S
from benchmarks.probes import Probe, Probing
from benchmarks.topic_runs import JobFigures, checkpoint_after, drain, fill, live_traffic, live_users, own_topic, submit
from benchmarks.workbench import Workbench, machine, save, say, workbench
from driftline.metrics import JobGauge, JobMetric
from driftline.units import wall_clock_ms

PROBES_A_SECOND = 40
WARM_UP_S = 20.0
LOOK_S = 1.0
ENDED_S_MAX = 900.0
CALL_MS_MAX, P99_RATIO_MAX = 50, 1.5  # what is required


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    with workbench() as bench:
        result = {"machine": machine(), **measure(bench, options)}
    save("quiet_users", result)
    say(summary(result))


def measure(bench: Workbench, options: argparse.Namespace) -> dict[str, Any]:
    """Fold the backlog, wait for its users to be due, and probe before and meanwhile."""
    bench = own_topic(bench, "events-quiet")
    say(f"publishing an event of each of {options.users:,} users")
    published = fill(bench, users=options.users, events=options.users // 20, everyone=True)
    job_id = submit(bench, "main", [f"session_gap_ms={options.gap_s * 1_000}"])
    began_s = time.monotonic()
    drain(bench, "main", ENDED_S_MAX)
    folded_s = time.monotonic() - began_s
    say(f"folded {published:,} events in {folded_s:.0f} s")
    checkpoint = checkpoint_after(bench, job_id, wall_clock_ms())
    if folded_s + WARM_UP_S + options.seconds > options.gap_s:
        message = f"--gap-s {options.gap_s} leaves no time to probe before the first user is due"
        raise ValueError(message)
    figures = JobFigures(bench.settings.flink_address)
    before = _probe(bench, options)
    time.sleep(max(0.0, began_s + options.gap_s + 5 - time.monotonic()))
    say("the users are due")
    looked_before = _looks(figures, job_id)
    beside = _probe(bench, options)
    looked_beside = _looks(figures, job_id)
    ended_s = _await(figures, job_id, JobMetric.SESSIONS_CLOSED, options.users)
    silent = options.users - live_users(options.rate)  # the others have come again, and have not reached an age
    ended_s += _await(figures, job_id, JobMetric.SCORES_AGED, silent)
    memory = {name: rss for name, (_, rss) in bench.usage().items()}
    return {
        "users": options.users,
        "folded_s": folded_s,
        "checkpoint": asdict(checkpoint),
        "checkpoint_after_ages": asdict(checkpoint_after(bench, job_id, wall_clock_ms())),
        "before": _percentiles(before),
        "beside": _percentiles(beside),
        "looked_before": looked_before,
        "looks_beside_a_second": (looked_beside - looked_before) / (options.seconds + WARM_UP_S),
        "ended_after_s": ended_s,
        "timer_ms_max": figures.gauge_max(job_id, JobGauge.TIMER_MS_MAX),
        "rate": options.rate,
        "scores_aged": figures.counter(job_id, JobMetric.SCORES_AGED),
        "sessions_closed": figures.counter(job_id, JobMetric.SESSIONS_CLOSED),
        "memory_mib": memory,
    }


def _probe(bench: Workbench, options: argparse.Namespace) -> list[Probe]:
    with live_traffic(bench, rate=options.rate, users_of=options.rate, seconds=WARM_UP_S + options.seconds + 5):
        time.sleep(WARM_UP_S)
        return Probing(bench.settings, PROBES_A_SECOND, options.seconds).run()


def _looks(figures: JobFigures, job_id: str) -> float:
    """Users looked at so far. Flink gathers its counters when asked for them, and shows them at the next request."""
    figures.counter(job_id, JobMetric.QUIET_CHECKS)
    time.sleep(REPORT_S)
    return figures.counter(job_id, JobMetric.QUIET_CHECKS)


def _await(figures: JobFigures, job_id: str, metric: JobMetric, users: int) -> float:
    """Wait until every user has been counted; returns how long that took."""
    began_s = time.monotonic()
    while figures.counter(job_id, metric) < users:
        if time.monotonic() > began_s + ENDED_S_MAX:
            message = f"{metric.value} is below {users:,} after {ENDED_S_MAX:g} s"
            raise TimeoutError(message)
        time.sleep(LOOK_S)
    return time.monotonic() - began_s


def _percentiles(probes: list[Probe]) -> dict[str, float]:
    took_ms = [probe.took_ms for probe in probes]
    hundredths = quantiles(took_ms, n=100)
    return {"p50_ms": hundredths[49], "p99_ms": hundredths[98], "max_ms": max(took_ms)}


def summary(result: dict[str, Any]) -> str:
    """Return what was measured, and whether it is what is required."""
    before, beside = result["before"], result["beside"]
    ratio = beside["p99_ms"] / before["p99_ms"]
    lines = [
        f"{result['users']:,} users quiet after a backlog, {result['scores_aged']:,} of them scored at an age; "
        f"{result['rate']:,} events/s beside it",
        f"checkpoint after the backlog: {_checkpoint_text(result['checkpoint'])}; after the ages: "
        f"{_checkpoint_text(result['checkpoint_after_ages'])}",
        f"longest call of a timer: {result['timer_ms_max']:.0f} ms (required: under {CALL_MS_MAX})",
        f"freshness before: p50 {before['p50_ms']:.0f}, p99 {before['p99_ms']:.0f} ms; beside "
        f"{result['looks_beside_a_second']:,.0f} looks/s: p50 {beside['p50_ms']:.0f}, p99 {beside['p99_ms']:.0f} ms; "
        f"p99 by p99 {ratio:.2f} (required: at most {P99_RATIO_MAX})",
        f"sessions closed and ages of silent users written {result['ended_after_s']:.0f} s after the second probing",
        "memory: " + json.dumps({name: f"{rss:,.0f} MiB" for name, rss in result["memory_mib"].items()}),
    ]
    return "\n".join(lines)


def _checkpoint_text(checkpoint: dict[str, int]) -> str:
    state_mb, uploaded_mb = (checkpoint[name] / 1e6 for name in ("state_bytes", "uploaded_bytes"))
    return f"{state_mb:,.1f} MB of state, {uploaded_mb:,.1f} MB uploaded, {checkpoint['took_ms'] / 1_000:.1f} s"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument(
        "--gap-s", type=int, default=240, help="session gap; longer than the backlog takes, and a probing"
    )
    parser.add_argument("--rate", type=int, default=1_000, help="events a second of live traffic, probes not counted")
    parser.add_argument("--seconds", type=float, default=50, help="how long freshness is probed, twice")
    return parser.parse_args()


if __name__ == "__main__":
    main()
