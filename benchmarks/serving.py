"""Driftline's server beside an empty call on the same stack and Feast's online feature server, in one run.

    python -m benchmarks.serving [--parts single workers batch outage] [--seconds 8] [--quick]

The server has the first core and Redis and the load tool have the others, for every contender; with two workers
everything shares all cores. Contenders take turns, and the median of their runs counts. Needs Go, which builds the load
tools (ghz for gRPC, k6 for HTTP), and an index of packages, from which Feast comes, both once.

The 99th percentile at a steady rate is compared by pairs of runs that follow each other, in turns either server first,
of at least 10 s: 100 of 10,000 calls are beyond it then, not the 30 of 3 s that one stall of the machine makes. What
counts is the median of the pairs' ratios; all are printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.load_tools import GHZ, K6, Load, Shape, ghz, k6
from benchmarks.outage import DEADLINE_S, PROBE_EVERY_S, Outage, outages
from benchmarks.serving_contenders import (
    FEAST_PINS,
    Server,
    driftline_server,
    empty_server,
    feast_server,
    filled_redis,
)
from benchmarks.serving_runs import Bench
from benchmarks.serving_users import FEATURES_IN_FEAST, USERS, make_users, user_id
from benchmarks.workbench import ended_in_order, machine, save, say
from driftline.errors import DriftlineError

CORES = os.cpu_count() or 1
SERVER_CORES, OTHER_CORES, ALL_CORES = ("0", f"1-{CORES - 1}", "") if CORES > 1 else ("", "", "")
CALLERS, CONNECTIONS = 32, 8
STEADY_RATE = 1_000
STEADY_PAIRS = 6
BATCH_IDS, BATCH_RATE = 100, 50
OUTAGE_RATE = 300
WARM_UP_S = 2.0
FROZEN_S = 10.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each contender")
    parser.add_argument("--quick", action="store_true", help="runs of 2 s: to try it, not to quote it")
    options = parser.parse_args()
    seconds = 2.0 if options.quick else options.seconds
    say("making the users")
    users = make_users()
    with ended_in_order(), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftline-bench-")))
        with_feast = bool({"single", "batch"} & set(options.parts))
        store, repository = stack.enter_context(filled_redis(users, OTHER_CORES, with_feast=with_feast))
        bench = Bench(
            store, repository, *_requests(folder), seconds=seconds, repeats=options.repeats, quick=options.quick
        )
        for part in options.parts:
            PARTS[part](bench)
    report(bench, users.value_bytes)
    name = "-".join(["serving", *(options.parts if set(options.parts) != set(PARTS) else ())])
    checks = [asdict(check) for check in bench.checks]
    save(name, {"machine": machine(), "runs": bench.runs, "checks": checks, "notes": bench.notes})


def measure_single(bench: Bench) -> None:
    """One user a request, one worker: rates of all three, then the 99th percentile at a steady rate."""
    shape = Shape(bench.seconds, CALLERS, CONNECTIONS, OTHER_CORES)
    with empty_server(SERVER_CORES) as empty, driftline_server(bench.store.url, SERVER_CORES) as own:
        with feast_server(bench.repository, SERVER_CORES) as feast:
            _warm_up(bench, empty, own, feast)
            for _ in range(bench.repeats):
                for server in (empty, own):
                    bench.run(server.name, server, partial(ghz, server.address, "GetScores", bench.singles, shape))
                for service in ("everything", "scores"):
                    bench.run(f"Feast, {service}", feast, partial(k6, f"http://{feast.address}", service, 1, shape))
        _steady(bench, empty, own)
    for service, asked in (("everything", f"{FEATURES_IN_FEAST} features and 3 scores"), ("scores", "3 scores only")):
        label = f"Feast, {service}"
        bench.at_least(f"Driftline / Feast ({asked}), requests/s", bench.ratio("Driftline", label, "requests_s"), 8)
        bench.at_most(f"Driftline / Feast ({asked}), p99", bench.ratio("Driftline", label, "p99_ms"), 1)
    bench.at_least("Driftline / empty call, requests/s", bench.ratio("Driftline", "empty call", "requests_s"), 0.85)


def _steady(bench: Bench, empty: Server, own: Server) -> None:
    """See the top."""
    pairs = 1 if bench.quick else STEADY_PAIRS
    shape = Shape(bench.steady_s, CALLERS, CONNECTIONS, OTHER_CORES, rate=STEADY_RATE)
    labels = {server.name: f"{server.name} at {STEADY_RATE:,}/s" for server in (empty, own)}
    for number in range(pairs):
        for server in (empty, own) if number % 2 == 0 else (own, empty):
            load = partial(ghz, server.address, "GetScores", bench.singles, shape)
            bench.run(labels[server.name], server, load)
    what = f"Driftline / empty call, p99 at {STEADY_RATE:,} requests/s"
    ratios = bench.ratios(labels[own.name], labels[empty.name], "p99_ms")
    bench.at_most(what, statistics.median(ratios), 1.5)
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    bench.notes.append(f"{what}: {shown} in {pairs} pairs of runs of {bench.steady_s:g} s")


def _warm_up(bench: Bench, empty: Server, own: Server, feast: Server) -> None:
    shape = Shape(WARM_UP_S, CALLERS, CONNECTIONS, OTHER_CORES)
    for server in (empty, own):
        ghz(server.address, "GetScores", bench.singles, shape)
    k6(f"http://{feast.address}", "everything", 1, shape)


def measure_workers(bench: Bench) -> None:
    """Two workers against one, everything on all cores; the CPU seconds say where the ceiling is."""
    shape = Shape(bench.seconds, 2 * CALLERS, 4 * CONNECTIONS, ALL_CORES)
    with (
        driftline_server(bench.store.url, ALL_CORES) as one,
        driftline_server(bench.store.url, ALL_CORES, workers=2) as two,
    ):
        for server in (one, two):
            ghz(server.address, "GetScores", bench.singles, shape)
        for _ in range(bench.repeats):
            for label, server in (("one worker", one), ("two workers", two)):
                bench.run(label, server, partial(ghz, server.address, "GetScores", bench.singles, shape))
    one_s, two_s = (bench.median(label, "requests_s") for label in ("one worker", "two workers"))
    bench.at_least("two workers / one worker, requests/s", bench.ratio("two workers", "one worker", "requests_s"), 1.7)
    cpu_us = {
        name: bench.median("two workers", f"{name}_cpu_s") / bench.median("two workers", "requests") * 1e6
        for name in ("server", "tool", "redis")
    }
    ceiling_s = CORES * 1e6 / sum(cpu_us.values())
    spent = ", ".join(f"{name} {value:.0f}" for name, value in cpu_us.items())
    bench.notes.append(
        f"two workers, CPU microseconds a request: {spent}; {CORES} cores shared by all give at most {ceiling_s:,.0f} "
        f"requests/s, {ceiling_s / one_s:.2f} times one worker; measured {two_s:,.0f}, {two_s / ceiling_s:.0%} of that"
    )


def measure_batch(bench: Bench) -> None:
    """BATCH_IDS users a request: the 99th percentile at a moderate rate, then the rate that each can do."""
    closed = Shape(bench.seconds, CALLERS, CONNECTIONS, OTHER_CORES)
    steady = Shape(bench.steady_s, CALLERS, CONNECTIONS, OTHER_CORES, rate=BATCH_RATE)
    own_label, steady_label = f"Driftline, {BATCH_IDS} users", f"Driftline, {BATCH_IDS} users at {BATCH_RATE}/s"
    feast_labels = {service: f"Feast, {BATCH_IDS} users, {service}" for service in ("everything", "scores")}
    with (
        driftline_server(bench.store.url, SERVER_CORES) as own,
        feast_server(bench.repository, SERVER_CORES) as feast,
    ):
        ghz(own.address, "BatchGetScores", bench.batches, closed)
        k6(f"http://{feast.address}", "everything", BATCH_IDS, closed)
        for _ in range(bench.repeats):
            bench.run(steady_label, own, partial(ghz, own.address, "BatchGetScores", bench.batches, steady))
            bench.run(own_label, own, partial(ghz, own.address, "BatchGetScores", bench.batches, closed))
            for service, label in feast_labels.items():
                bench.run(label, feast, partial(k6, f"http://{feast.address}", service, BATCH_IDS, closed))
    p99_ms = bench.median(steady_label, "p99_ms")
    bench.at_most(f"batch of {BATCH_IDS}, p99 in ms at {BATCH_RATE} requests/s", p99_ms, 5)
    for service, label in feast_labels.items():
        ratio = bench.ratio(own_label, label, "requests_s")
        bench.at_least(f"batch of {BATCH_IDS}, Driftline / Feast ({service}), requests/s", ratio, 10)


def measure_outage(bench: Bench) -> None:
    """Redis frozen, then killed and started again, under load: what callers see."""
    with driftline_server(bench.store.url, SERVER_CORES) as own:
        shape = Shape(FROZEN_S + 16, CALLERS, CONNECTIONS, OTHER_CORES, rate=OUTAGE_RATE)
        seen, load = _under_load(own, bench, shape)
        alive = own.process.poll() is None
    bench.notes.append(
        f"outages, seen by a call every {PROBE_EVERY_S * 1e3:.0f} ms with a deadline of {DEADLINE_S * 1e3:.0f} ms, "
        f"under {OUTAGE_RATE} requests/s of ghz ({load.requests - load.errors:,} good, {load.errors:,} failed):"
    )
    for outage in seen:
        codes = ", ".join(f"{count:,} {code}" for code, count in sorted(outage.codes.items()))
        bench.notes.append(
            f"  Redis {outage.kind} for {outage.away_s:.1f} s: {codes}; p50 {outage.p50_ms:.1f} ms, "
            f"longest call {outage.longest_ms:.0f} ms, first good answer {outage.first_good_s * 1e3:.0f} ms after"
        )
        bench.at_most(f"Redis {outage.kind}: first good answer after its return, s", outage.first_good_s, 1)
        over = max(0.0, outage.longest_ms - DEADLINE_S * 1e3) if outage.hung else 0.0
        bench.at_most(f"Redis {outage.kind}: longest call beyond its deadline, ms", over, 0)
    bench.at_most("crashes", 0 if alive else 1, 0)


def _under_load(own: Server, bench: Bench, shape: Shape) -> tuple[list[Outage], Load]:
    """The outages, while ghz loads the server."""
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(ghz, own.address, "GetScores", bench.singles, shape, round(DEADLINE_S * 1e3))
        return outages(own.address, bench.store, FROZEN_S), load.result()


def _requests(folder: Path) -> tuple[Path, Path]:
    """Files of requests for ghz, spread over all users: of one user each, and of BATCH_IDS each."""
    singles, batches = folder / "singles.json", folder / "batches.json"
    ids = [user_id(number * 7_919 % USERS) for number in range(20_000)]  # a prime: no user comes twice
    singles.write_text(json.dumps([{"user_id": name} for name in ids]))
    pages = [ids[start : start + BATCH_IDS] for start in range(0, len(ids), BATCH_IDS)]
    batches.write_text(json.dumps([{"user_ids": page} for page in pages]))
    return singles, batches


def report(bench: Bench, value_bytes: float) -> None:
    """Print medians, what was required, and how it was measured."""
    feast = re.search(r"^feast==(\S+)", FEAST_PINS.read_text(), re.MULTILINE)
    print(f"machine: {machine()}, grpcio {version('grpcio')}, uvloop {version('uvloop')}")
    print(f"         Feast {feast[1] if feast else '?'}, ghz {GHZ[2]}, k6 {K6[2]}")
    print(f"{USERS:,} users, {value_bytes:.0f} bytes a value in Driftline; runs of {bench.seconds:g} s")
    print(f"server on core {SERVER_CORES or 'any'}, Redis and load tool on {OTHER_CORES or 'any'}; workers: all on all")
    print(f"\n{'median of runs':<40} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'server CPU':>10} {'tool CPU':>9}")
    for label in dict.fromkeys(run["what"] for run in bench.runs):
        rate, p50, p99 = (bench.median(label, name) for name in ("requests_s", "p50_ms", "p99_ms"))
        seconds = bench.median(label, "requests") / rate
        shares = (bench.median(label, name) / seconds for name in ("server_cpu_s", "tool_cpu_s"))
        server, tool = (f"{share:.0%}" for share in shares)
        print(f"{label:<40} {rate:>10,.0f} {p50:>8.2f} {p99:>8.2f} {server:>10} {tool:>9}")
    print(f"\n{'figure':<66} {'value':>8}   {'required':<10}")
    for check in bench.checks:
        print(check)
    for note in bench.notes:
        print(note)
    errors = sum(run["errors"] for run in bench.runs)
    print(f"failed calls in the comparisons: {errors:,}")


PARTS: dict[str, Callable[[Bench], None]] = {
    "single": measure_single,
    "workers": measure_workers,
    "batch": measure_batch,
    "outage": measure_outage,
}

if __name__ == "__main__":
    try:
        main()
    except DriftlineError as error:
        sys.exit(f"{error}")
