"""Freshness: the time from handing an event to Kafka's client until gRPC gives scores that contain it.

    python -m benchmarks.freshness [--rates 500 1000] [--seconds 40]

At each rate, simulated shoppers make the traffic in a process of its own, and twenty times a second this process
publishes an event of a shopper of its own and asks the gRPC server every 3 ms until the scores are as of that event.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from benchmarks.workbench import ROOT, Workbench, machine, save, say, workbench
from driftline.demo.freshness import FreshnessLog, Prober, quantile
from driftline.demo.scores_client import ScoresClient
from driftline.demo.traffic import Sent
from driftline.event.v1.event_pb2 import UserEvent
from driftline.publishing import EventPublisher

PROBES_A_SECOND = 20
PROBERS = 4  # one probe may take longer than the pause between two
WARM_UP_S = 80  # the JVM compiles, the model loads, the first checkpoints run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 1000], help="events a second")
    parser.add_argument("--seconds", type=int, default=40, help="how long each rate is measured, after a warm-up")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the job")
    options = parser.parse_args()
    results = {}
    with workbench() as bench:
        history = bench.settings.home / "training.jsonl"
        bench.driftline("simulate", "--users", "3000", "--events", "60000", "--seed", "1", "--out", str(history))
        say(bench.driftline("train", "--events", str(history)))
        flags = [part for assignment in options.set for part in ("--set", assignment)]
        bench.driftline("submit", "score-events", *flags)
        for rate in options.rates:
            results[rate] = measure(bench, rate, options.seconds)
    print(f"machine: {machine()}")
    print("freshness, publish to readable over gRPC, ms:")
    for rate, probes_ms in results.items():
        ordered = sorted(probes_ms)
        shares = {f"p{share * 100:g}": quantile(ordered, share) for share in (0.5, 0.9, 0.99)}
        figures = ", ".join(f"{name} {value:.0f}" for name, value in shares.items())
        print(f"  at {rate:>5,} events/s: {figures}, max {ordered[-1]:.0f} ({len(ordered)} probes)")
    save("freshness", {"machine": machine(), "probes_ms": results})


def measure(bench: Workbench, rate: int, seconds: int) -> list[float]:
    """Return the freshness of every probe, in milliseconds, under traffic of `rate` events a second."""
    duration_s = WARM_UP_S + seconds
    options = ["--users", str(rate * 40), "--rate", str(rate), "--duration-s", str(duration_s), "--seed", str(rate)]
    traffic = subprocess.Popen(
        [sys.executable, "-m", "driftline.cli", "simulate", *options], cwd=ROOT, env=bench.environment
    )
    try:
        time.sleep(WARM_UP_S)
        say(f"probing at {rate:,} events/s for {seconds} s")
        return probe(bench, seconds)
    finally:
        traffic.terminate()
        traffic.wait()


def probe(bench: Workbench, seconds: int) -> list[float]:
    """Probe from several threads, evenly spread over time."""
    logs = [FreshnessLog() for _ in range(PROBERS)]
    client = ScoresClient(bench.settings.grpc_address)
    with EventPublisher(bench.settings) as publisher:
        turn = threading.Lock()

        def send(user_id: str, value: bytes, timestamp_ms: int) -> float:
            with turn:
                sent_s = time.monotonic()
                publisher.send(user_id, value, timestamp_ms)
            return sent_s

        threads = [
            threading.Thread(
                target=_probe_loop, args=(number, Prober(as_of_ms=client.as_of_ms, log=log), send, seconds)
            )
            for number, log in enumerate(logs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    client.close()
    return [value for log in logs for value in log.values_ms()]


def _probe_loop(number: int, prober: Prober, send: Callable[[str, bytes, int], float], seconds: int) -> None:
    pause_s = PROBERS / PROBES_A_SECOND
    began_s = time.monotonic() + number / PROBES_A_SECOND
    for count in range(int(seconds / pause_s)):
        time.sleep(max(0.0, began_s + count * pause_s - time.monotonic()))
        now_ms, user_id = time.time_ns() // 1_000_000, f"probe-{number}-{count % 50}"
        event = UserEvent(event_id=f"probe-{now_ms}", user_id=user_id, type=UserEvent.VIEW, event_time_ms=now_ms)
        prober.probe(Sent(user_id, now_ms, send(user_id, event.SerializeToString(), now_ms)))


if __name__ == "__main__":
    main()
