"""Runs of score-events over a topic of their own: filling it, and what Flink and Redis say about the job."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import redis

from benchmarks import venvs
from benchmarks.workbench import ROOT, Workbench, say
from console.flink_rest import FlinkRest
from console.local.topics import create_topics
from console.progress import Drained, TopicProgress
from driftline.metrics import JobGauge, JobMetric

TRAINING = ("--users", "3000", "--events", "60000", "--seed", "1")
LOOK_S = 0.05
USERS_PER_RATE = 40  # at this many users an event a second, a user's pauses are a shopper's
USERS_MAX = 200_000
DRAIN_S_MAX = 180.0
CHECKPOINT_S_MAX = 60.0


@dataclass(frozen=True)
class Checkpoint:
    """A completed checkpoint: when it began, how long it took, all of the state, and what it uploaded."""

    began_ms: int
    took_ms: int
    state_bytes: int
    uploaded_bytes: int


class JobFigures(FlinkRest):
    """What Flink's REST API says about one job of this kind."""

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """The last ten completed ones, oldest first."""
        history = reversed(self.get(f"/jobs/{job_id}/checkpoints")["history"])
        names = ("trigger_timestamp", "end_to_end_duration", "state_size", "checkpointed_size")
        return [Checkpoint(*(found[name] for name in names)) for found in history if found["status"] == "COMPLETED"]

    def trigger_checkpoint(self, job_id: str) -> None:
        """Ask for one of the kind that the job makes by itself."""
        self.post(f"/jobs/{job_id}/checkpoints", {"checkpointType": "CONFIGURED"})

    def counter(self, job_id: str, metric: JobMetric) -> float:
        """One of the job's counters, summed over its slots; up to a second old."""
        vertex_id, names = self._of_operator(job_id, metric.value)
        return sum(self.metric_sum(job_id, vertex_id, found) for found in names)

    def gauge_max(self, job_id: str, gauge: JobGauge) -> float:
        """One of the job's gauges, the largest of its slots; up to a second old."""
        vertex_id, names = self._of_operator(job_id, gauge.value)
        return max((self.metric_max(job_id, vertex_id, found) for found in names), default=0.0)

    def _of_operator(self, job_id: str, metric: str) -> tuple[str, set[str]]:
        """The vertex of the job's operator, and the full names of one of its metrics."""
        for vertex_id, name in self.vertices(job_id).items():
            if "score blocks" in name:
                ending = f".driftline.{metric}"
                return vertex_id, {found for found in self.metrics(job_id, vertex_id) if found.endswith(ending)}
        return "", set()


def train(bench: Workbench) -> None:
    """Train the model that the jobs score with."""
    history = str(bench.settings.home / "training.jsonl")
    bench.driftline("simulate", *TRAINING, "--out", history)
    say(bench.driftline("train", "--events", history))


def own_topic(bench: Workbench, topic: str) -> Workbench:
    """The same stack with another events topic, which is created."""
    settings = bench.settings.model_copy(update={"events_topic": topic})
    create_topics(settings)
    return replace(bench, settings=settings, environment=bench.environment | {"DRIFTLINE_EVENTS_TOPIC": topic})


def traffic_command(bench: Workbench, kind: str, options: Mapping[str, object]) -> list[str]:
    """How benchmarks.traffic is called for the bench's topic; an option that is True is a flag."""
    command = [str(venvs.python_of("plain")), "-m", "benchmarks.traffic"]
    command += [bench.settings.kafka_address, bench.settings.events_topic, kind]
    for name, value in options.items():
        if value not in (None, False):
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return command


@contextmanager
def live_traffic(bench: Workbench, *, rate: int, users_of: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Simulated shoppers publish meanwhile, `rate` events a second.

    Args:
        bench: where to.
        rate: events a second.
        users_of: the rate that there are users for; they share it with probes.
        seconds: how long they go on, at most.

    Yields:
        Their process; at its end it prints one JSON line, as benchmarks.traffic says.
    """
    options = {"users": live_users(users_of), "rate": rate, "seconds": seconds, "seed": users_of}
    command = traffic_command(bench, "live", options)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as traffic:
        assert traffic.stdin is not None and traffic.stdout is not None  # noqa: S101  (both are pipes)
        try:
            traffic.stdout.readline()  # it is ready
            traffic.stdin.write("\n")
            traffic.stdin.flush()
            yield traffic
        finally:
            traffic.terminate()


def live_users(rate: int) -> int:
    """Return how many users live traffic for this rate has at most: the first of those of the history."""
    return min(rate * USERS_PER_RATE, USERS_MAX)


def fill(bench: Workbench, kind: str = "history", /, **options: object) -> int:
    """Publish to the bench's topic, with options of benchmarks.traffic; return the number of events."""
    dashed = {name.replace("_", "-"): value for name, value in options.items()}
    command = traffic_command(bench, kind, dashed)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return int(json.loads(done.stdout)["published"])


def submit(bench: Workbench, namespace: str, assignments: Sequence[str] = ()) -> str:
    """Submit score-events and return the job's id."""
    flags = [part for one in (f"namespace={namespace}", *assignments) for part in ("--set", one)]
    bench.driftline("submit", "score-events", "--from-nothing", *flags)
    return next(job.job_id for job in bench.flink.jobs() if job.name == f"score-events {namespace}")


class Submission:
    """A job that is being submitted. The client returns a while after the job has begun, so it runs in a thread."""

    def __init__(self, bench: Workbench, submitted: Future[str]) -> None:
        self._bench = bench
        self._submitted = submitted

    @property
    def job_id(self) -> str:
        """Its id, waited for. Raises what the client failed with."""
        return self._submitted.result()

    def check(self) -> None:
        """Look at how it is doing.

        Raises:
            RuntimeError: the job has failed; with its reason.
            subprocess.CalledProcessError: the client has.
        """
        if self._submitted.done() and (failure := self._bench.flink.failure(self.job_id)):
            raise RuntimeError(failure)


@contextmanager
def submitting(bench: Workbench, submit_job: Callable[[], str]) -> Iterator[Submission]:
    """Submit a job with a function that returns its id, watch it at once, and cancel it at the end."""
    with ThreadPoolExecutor(1) as pool:
        submission = Submission(bench, pool.submit(submit_job))
        try:
            yield submission
        finally:
            bench.cancel(submission.job_id)


def drain(bench: Workbench, namespace: str, seconds_max: float = DRAIN_S_MAX) -> Drained:
    """Wait until the job has accounted for the topic.

    Raises:
        TimeoutError: it has not within `seconds_max`.
    """
    with closing(TopicProgress(bench.settings, namespace)) as progress:
        deadline_s = time.monotonic() + seconds_max
        while not (seen := progress.look()).done:
            if time.monotonic() > deadline_s:
                message = f"{seen.published - seen.totals.events:,} events were left after {seconds_max:g} s"
                raise TimeoutError(message)
            time.sleep(LOOK_S)
    return seen


def checkpoint_after(bench: Workbench, job_id: str, time_ms: int) -> Checkpoint:
    """Return the first checkpoint that began after `time_ms`; one is asked for, so as not to wait for the next.

    Raises:
        TimeoutError: there is none within CHECKPOINT_S_MAX.
    """
    flink, deadline_s = JobFigures(bench.settings.flink_address), time.monotonic() + CHECKPOINT_S_MAX
    flink.trigger_checkpoint(job_id)
    while time.monotonic() < deadline_s:
        for found in flink.checkpoints(job_id):
            if found.began_ms > time_ms:
                return found
        time.sleep(0.2)
    message = f"no checkpoint within {CHECKPOINT_S_MAX:g} s"
    raise TimeoutError(message)


def redis_bytes(bench: Workbench) -> int:
    """Everything that Redis has allocated."""
    with redis.Redis.from_url(bench.settings.redis_address) as client:
        return int(client.info("memory")["used_memory"])


def put_between(text: str, begin: str, end: str, part: str) -> str:
    """Replace what stands between two marker lines of a document.

    Raises:
        ValueError: the document does not have both.
    """
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        message = f"no lines {begin!r} and {end!r}"
        raise ValueError(message)
    return f"{before}{begin}\n{part}\n{end}{after}"
