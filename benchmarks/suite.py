"""Every contender over the same topic with the same duty, side by side in one run.

    python -m benchmarks.suite [--events 1000000] [--slow-events N] [--runs 3] [--only driftline quix-tuned]

Kafka, Redis, Flink and the contender share this machine; contenders take turns, one at a time. Slow ones read a topic
that holds only the first records of the same history: a share each (benchmarks/entrants.py) that keeps them busy for
20 s or more, twice the interval of checkpoints; all of it would take the slowest eleven minutes a run. Measured is
from the first to the last accounted event, and the scores are compared with those of benchmarks.oracle for the same
records. `python -m benchmarks.report` shows the results.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.contenders.duty import Task
from benchmarks.entrants import CONTENDERS, TASK_MANAGERS, Contender, run
from benchmarks.measuring import clear_redis
from benchmarks.oracle import expected_scores, share_equal, stored_scores
from benchmarks.topic_runs import train
from benchmarks.workbench import Workbench, machine, save, say, workbench
from console.local.topics import create_topics
from driftline.models import ModelFolder

SHUFFLED = ("--seed", "5", "--disorder-ms", "3000", "--duplicates", "0.05")
FULL = ""  # the key of the topic with everything


@dataclass(frozen=True)
class Topic:
    """A topic, how many events are in it, and the scores that they must lead to."""

    name: str
    events: int
    scores: list[str]


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="different events in the topic")
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--slow-events", type=int, help="records for slow contenders, whatever their share")
    parser.add_argument("--seconds-max", type=float, default=300.0, help="after which a run is cut off")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS), metavar="CONTENDER")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of Driftline's job")
    options = parser.parse_args()
    chosen = [CONTENDERS[key] for key in options.only]
    with workbench() as bench:
        bench.driftline("up", "--detach", "--task-managers", str(TASK_MANAGERS))
        topics = prepare(bench, {contender.key: contender.share for contender in chosen}, options)
        runs: list[dict[str, Any]] = []
        result = {
            "machine": machine(),
            "users": options.users,
            "events": topics[FULL].events,
            "seconds_max": options.seconds_max,
            "runs": runs,
        }
        if any(contender.on_flink for contender in chosen):
            warm_up(bench, topics[FULL], options)
        for number, contender in itertools.product(range(options.runs), chosen):
            topic = topics[contender.key]
            entry = enter(bench, contender, topic, f"{contender.key}-{number}", options)
            runs.append({"run": number, "records": topic.events, **entry})
            save("suite", result)  # an hour's work outlives an interruption
    print(report.text(result))


def prepare(bench: Workbench, shares: Mapping[str, float], options: argparse.Namespace) -> dict[str, Topic]:
    """Train a model, fill the topics, and work out what the scores must be: the topic of each contender."""
    train(bench)
    history = bench.settings.home / "history.jsonl"
    size = ("--users", str(options.users), "--events", str(options.events))
    bench.driftline("simulate", *size, *SHUFFLED, "--out", str(history))
    with history.open("rb") as lines:
        total = sum(1 for _ in lines)
    records = {
        key: total if share == 1 else options.slow_events or round(total * share) for key, share in shares.items()
    }
    records[FULL] = total
    topics = {number: _fill(bench, history, number) for number in sorted(set(records.values()))}
    return {key: topics[number] for key, number in records.items()}


def _fill(bench: Workbench, history: Path, records: int) -> Topic:
    """A topic of the first records."""
    name = f"{bench.settings.events_topic}.first-{records}"
    create_topics(bench.settings.model_copy(update={"events_topic": name}))
    part = history.with_name(f"{name}.jsonl")
    with history.open("rb") as lines, part.open("wb") as out:
        out.writelines(itertools.islice(lines, records))
    with ThreadPoolExecutor(1) as pool:  # both take half a minute a million
        published = pool.submit(bench.driftline, "publish", str(part), DRIFTLINE_EVENTS_TOPIC=name)
        scores = expected_scores(part, records, ModelFolder(bench.settings.models_dir))
        published.result()
    part.unlink()
    say(f"topic {name}: {records:,} records, {len(scores):,} users")
    return Topic(name, records, scores)


def warm_up(bench: Workbench, topic: Topic, options: argparse.Namespace) -> None:
    """Let both TaskManagers' JVMs compile what Driftline's job needs; others of their jobs share most of it."""
    say("warming up")
    enter(bench, CONTENDERS["driftline-2"], topic, "warm-up", options)


def enter(bench: Workbench, contender: Contender, topic: Topic, namespace: str, options: Any) -> dict[str, Any]:
    """Run a contender once; what it did, or why it failed."""
    settings = bench.settings
    clear_redis(settings)
    folder = settings.home / "contenders" / namespace
    folder.mkdir(parents=True)
    task = Task(
        kafka=settings.kafka_address,
        topic=topic.name,
        redis_url=settings.redis_address,
        namespace=namespace,
        models_dir=str(settings.models_dir),
        events=topic.events,
        folder=str(folder),
    )
    entry: dict[str, Any] = {"contender": contender.key}
    try:
        measured = run(bench, contender, task, options.seconds_max, options.set)
    except (RuntimeError, TimeoutError, subprocess.CalledProcessError) as error:
        say(f"{namespace}: {error}")
        return entry | {"failed": str(error)}
    entry |= asdict(measured) | {"events_s": measured.events_s, "cpu_s_per_million": measured.cpu_s_per_million}
    if contender.scores:
        entry["share_equal"] = share_equal(topic.scores, stored_scores(settings, namespace))
    say(f"{namespace}: {measured.events_s:,.0f} events/s, equal {entry.get('share_equal', '-')}")
    return entry


if __name__ == "__main__":
    main()
