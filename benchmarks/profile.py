"""Where a microsecond goes between Kafka and Redis, in the JVM and in Python.

    python -m benchmarks.profile [--events 1500000] [--rates 1000 5000] [--seconds 8] [--set NAME=VALUE] [--write]

A TaskManager whose JVM has folded the topic once does so again, and then gets live traffic at each rate. Each of these
is looked at three times for some seconds, one after the other, so that no profiler shows in another's figures: what
Linux counts for each thread (no profiler runs), async-profiler on the JVM (processor time, Java and native frames), and
py-spy on the interpreter (wall-clock time, waiting included). Where the core is compiled, py-spy does not see it, and
its stages are those of async-profiler's native frames (processor time). benchmarks/stages.py says which function is of
which stage. Figures go to benchmarks/results/profile.json, and with --write into docs/performance.md.
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from importlib.util import find_spec
from typing import Any

from benchmarks import profilers
from benchmarks.measuring import clear_redis
from benchmarks.profile_report import OPERATOR, text, write
from benchmarks.stages import THREADS, by_native_stage, by_place, by_stage, looks
from benchmarks.topic_runs import JobFigures, drain, fill, live_traffic, own_topic, submit, submitting, train
from benchmarks.workbench import Workbench, machine, save, say, workbench
from console.local import Stack
from console.progress import TopicProgress
from driftline.metrics import JobMetric

USERS = 50_000
STARTED_EVENTS = 20_000  # of a backlog, before it is looked at
WARM_UP_S = 20.0
ATTACH_S = 6.0  # that profilers take to begin and to end, at most

Window = dict[str, Any]


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    profilers.prepare()
    with workbench() as stack:
        train(stack)
        bench = own_topic(stack, "events-profile")
        fill(bench, users=USERS, events=options.events)
        _warm_up(bench, options)
        windows = _profile(bench, options)
    result = {"machine": machine(), "core": "compiled" if _is_compiled() else "interpreted", "windows": windows}
    save("profile", result)
    print(text(result))
    if options.write:
        write(result)


def _warm_up(bench: Workbench, options: argparse.Namespace) -> None:
    job_id = submit(bench, "warm-up", options.set)
    drain(bench, "warm-up")
    bench.cancel(job_id)
    clear_redis(bench.settings)


def _profile(bench: Workbench, options: argparse.Namespace) -> list[Window]:
    """The backlog, then live traffic of one job."""
    with submitting(bench, lambda: submit(bench, "main", options.set)) as submission:
        with closing(TopicProgress(bench.settings, "main")) as progress:
            while progress.look().totals.events < STARTED_EVENTS:
                submission.check()
                time.sleep(0.1)
        windows = [look(bench, submission.job_id, "backlog", options.seconds)]
        drain(bench, "main")
        for rate in options.rates:
            length_s = WARM_UP_S + 3 * (options.seconds + ATTACH_S)
            with live_traffic(bench, rate=rate, users_of=rate, seconds=length_s):
                time.sleep(WARM_UP_S)
                windows.append(look(bench, submission.job_id, "live", options.seconds))
            drain(bench, "main")
    return windows


def look(bench: Workbench, job_id: str, name: str, seconds: float) -> Window:
    """Look at a running job three times.

    Raises:
        RuntimeError: it had nothing to do towards the end.
    """
    pid = next(
        service.pid
        for service in Stack(bench.settings).status()
        if service.name.startswith("taskmanager-") and service.pid
    )
    window = {"name": name, **_count(bench, job_id, pid, seconds)}
    operator = dict(THREADS)[OPERATOR][0]
    on_processor = profilers.sample_jvm(pid, seconds)
    window["places"] = by_place(on_processor, operator)
    if _is_compiled():
        window |= {"stages": by_native_stage(on_processor, operator), "looks": 0}
    else:
        stacks = profilers.sample_python(pid, seconds)
        window |= {"stages": by_stage(stacks), "looks": looks(stacks)}
    with closing(TopicProgress(bench.settings, "main")) as progress:
        if name == "backlog" and progress.look().done:
            message = "the backlog ended before the profile did: give it more --events"
            raise RuntimeError(message)
    say(f"{name}: {window['events'] / window['seconds']:,.0f} events/s")
    return window


def _count(bench: Workbench, job_id: str, pid: int, seconds: float) -> Window:
    """What Linux and the job count, with no profiler running."""
    flink = JobFigures(bench.settings.flink_address)
    with closing(TopicProgress(bench.settings, "main")) as progress:
        flink.counter(job_id, JobMetric.BLOCKS)  # Flink gathers its counters when asked, and shows them at the next
        time.sleep(1.5)
        blocks, block_events = flink.counter(job_id, JobMetric.BLOCKS), flink.counter(job_id, JobMetric.EVENTS_ACCEPTED)
        first, began_s, before = progress.look().totals.events, time.monotonic(), profilers.threads(pid)
        time.sleep(seconds)
        last, took_s, after = progress.look().totals.events, time.monotonic() - began_s, profilers.threads(pid)
        flink.counter(job_id, JobMetric.BLOCKS)
        time.sleep(1.5)
    return {
        "seconds": took_s,
        "events": last - first,
        "cpu_s": profilers.cpu_by_group(before, after),
        "events_a_block": (flink.counter(job_id, JobMetric.EVENTS_ACCEPTED) - block_events)
        / max(flink.counter(job_id, JobMetric.BLOCKS) - blocks, 1),
    }


def _is_compiled() -> bool:
    """Whether the core is an extension module, whose functions only a profiler of native code sees."""
    spec = find_spec("udfs.block")
    return spec is not None and spec.origin is not None and not spec.origin.endswith(".py")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_500_000, help="of the backlog")
    parser.add_argument("--rates", type=int, nargs="*", default=[1_000, 5_000], help="of live traffic, events a second")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each look")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the job")
    parser.add_argument("--write", action="store_true", help="into docs/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
