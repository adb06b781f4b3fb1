"""What the demo needs before the traffic begins: the stack, a model, the running job, and a history that is scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from console.demo.silence import write_demo_project
from console.demo.steps import Steps
from console.flink_rest import ENDED, FlinkRest
from console.local import Stack
from console.progress import TopicProgress
from console.publishing import EventPublisher, publish_events
from console.settings import StackSettings
from console.simulator import SimulationSpec, json_line, simulate
from console.submission import job_settings, matching, submit
from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.errors import DriftlineError, ModelError, ServiceUnavailable, StackError
from driftline.models import ModelFolder
from driftline.units import DAY_MS, MINUTE_MS, wall_clock_ms
from history.reading import EventReader
from jobs.pipeline import bounds_of, decoder_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from training.learned_score import LearnedScore
from training.run import train

JOB = "score-events"
SHOPPERS = 2_000
SEED = 7
HISTORY_EVENTS = 60_000
HISTORY_DAYS = 14
HISTORY_ENDED_MS = 40 * MINUTE_MS  # before now: longer than the pause that ends a session
STALLED_S_MAX = 60.0  # without any progress of the job
CANCEL_S_MAX = 30.0
_POLL_S = 0.1


@dataclass(frozen=True)
class ReadyModel:
    """The model in use; `auc` is what its training reported."""

    version: str
    auc: float | None


@dataclass(frozen=True)
class DemoJob:
    """What the demo's job is made of.

    Attributes:
        settings: of the job.
        learned_with: the same as the user has them, which models are trained with. The demo's own project has the same
            features; but its first age of a few seconds would make two examples of nearly every event.
        looks_soon: whether the job runs the demo's own project.
    """

    settings: ScoreEventsSettings
    learned_with: ScoreEventsSettings
    looks_soon: bool


class History:
    """The shoppers' past as a file of JSON lines, made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def file(self) -> Path:
        """The file; takes about a second."""
        start_ms = wall_clock_ms() - HISTORY_DAYS * DAY_MS - HISTORY_ENDED_MS
        spec = SimulationSpec(users=SHOPPERS, events=HISTORY_EVENTS, seed=SEED, start_ms=start_ms, days=HISTORY_DAYS)
        file = self._folder / "history.jsonl"
        with file.open("w") as lines:
            lines.writelines(json_line(event) + "\n" for event in simulate(spec))
        return file


class StartedHere:
    """What this demo has started, and stops at its end."""

    def __init__(self, settings: StackSettings, steps: Steps) -> None:
        self._stack = Stack(settings)
        self._flink = FlinkRest(settings.flink_address)
        self._steps = steps
        self._started_stack = False
        self._submitted_to = ""  # a namespace

    def ready_stack(self) -> None:
        """Start what is missing of the stack. It is ours to stop if nothing of it ran before."""
        with self._steps.step("start the local stack: Kafka, Redis, Flink, gRPC") as step:
            started = self._stack.up(report=step.note)
            local = {service.name for service in self._stack.status() if service.state != "external"}
            self._started_stack = bool(started) and local <= set(started)
            if not started:
                step.done = "the local stack runs already, and will be left running"
            elif self._started_stack:
                step.done = f"started the local stack: {', '.join(started)}"
            else:
                step.done = f"started what was missing of the local stack, and will leave it: {', '.join(started)}"

    @property
    def submitted(self) -> bool:
        """Whether the job is the demo's, and not one that ran before."""
        return bool(self._submitted_to)

    def ready_job(self, settings: StackSettings, made_of: DemoJob) -> str:
        """Submit the job unless it runs; return its id."""
        with self._steps.step(f"submit {JOB} to Flink") as step:
            namespace = made_of.settings.namespace
            running = matching(self._flink, JOB, namespace)
            if running:
                step.done = f"{JOB} runs already as job {running[0]}, and will be left running"
                return running[0]
            self._submitted_to = namespace  # also if the rest is interrupted
            job_id = submit(JOB, settings, made_of.settings, report=step.note, from_nothing=True).job_id
            step.done = f"submitted {JOB} to Flink: job {job_id} runs"
            return job_id

    def check_job(self, job_id: str) -> None:
        """Raise StackError if the job has ended, with its cause."""
        state = self._flink.state(job_id)
        if state in ENDED:
            message = f"{JOB} (job {job_id}) ended as {state}: {self._flink.failure(job_id) or 'by another command'}"
            raise StackError(message)

    def stop(self) -> None:
        """Stop what was started here; everything else stays as it was."""
        if self._started_stack:
            with self._steps.step("stop the local stack") as step:
                self._stack.down(report=step.note)
                step.done = "stopped the local stack; the next demo goes on with its events and its model"
        elif self._submitted_to:
            with self._steps.step(f"cancel {JOB}") as step, suppress(ServiceUnavailable):
                for job_id in matching(self._flink, JOB, self._submitted_to):
                    self._cancel(job_id)
                step.done = f"cancelled {JOB}; the stack and the scores stay"

    def _cancel(self, job_id: str) -> None:
        self._flink.cancel(job_id)
        deadline_s = time.monotonic() + CANCEL_S_MAX
        while self._flink.state(job_id) not in ENDED and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)


def demo_settings(stack: StackSettings, namespace: str, folder: Path) -> DemoJob:
    """The settings of the job: with the declarations that the user has named, else with the demo's.

    Args:
        stack: where the services are.
        namespace: that scores are written to.
        folder: where to write the demo's declarations.
    """
    given = {"namespace": namespace}
    settings = cast("ScoreEventsSettings", job_settings(JOB, stack, given))
    if settings.declarations is not None:
        return DemoJob(settings, settings, looks_soon=False)
    given["declarations"] = str(write_demo_project(folder))
    return DemoJob(cast("ScoreEventsSettings", job_settings(JOB, stack, given)), settings, looks_soon=True)


def ready_model(models_dir: Path, settings: ScoreEventsSettings, history: History, steps: Steps) -> ReadyModel | None:
    """Take the current model, or train one as `driftline train` does; None where the job has no use for it.

    Args:
        models_dir: the folder of models.
        settings: of the job, with the declarations to learn with.
        history: to train on.
        steps: told what is done.
    """
    with steps.step("train a model on simulated shoppers") as step:
        plan = plan_for(settings).data
        if PURCHASE_PROPENSITY not in {one["name"] for one in plan["scores"] if one.get("model")}:
            step.done = f"no model is trained: {plan['name']} has no {PURCHASE_PROPENSITY} by a model"
            return None
        learned = LearnedScore.of_plan(plan, PURCHASE_PROPENSITY)
        folder = learned.score.models(models_dir)
        version = _usable_version(folder, learned)
        if version:
            model = ReadyModel(version, _auc(folder.manifest(version).metrics))
            step.done = f"model {version} is there already{_quality(model)}"
            return model
        manifest, _ = train(
            EventReader([history.file]),
            folder,
            wall_clock_ms(),
            step.note,
            decoder=decoder_of(settings),
            bounds=bounds_of(settings),
            learned=learned,
        )
        model = ReadyModel(manifest.version, _auc(manifest.metrics))
        trained_on = f"trained on {HISTORY_EVENTS:,} events of {SHOPPERS:,} simulated shoppers"
        step.done = f"model {manifest.version}: {trained_on}{_quality(model)}"
        return model


def _usable_version(folder: ModelFolder, learned: LearnedScore) -> str:
    """The current model's version, empty where there is none or the job could not use it."""
    try:
        version = folder.current_version()
        if version:
            folder.load(version, learned.feature_set, score=learned.score.name, task=learned.score.task)
    except ModelError:
        return ""
    return version


def _auc(metrics: dict[str, Any]) -> float | None:
    auc = metrics.get("auc")
    return float(auc) if isinstance(auc, int | float) else None


def _quality(model: ReadyModel) -> str:
    return "" if model.auc is None else f", AUC {model.auc:.3f} on held-out shoppers"


def ready_history(
    settings: StackSettings, history: History, progress: TopicProgress, *, steps: Steps, check_job: Callable[[], None]
) -> None:
    """Publish the history if the topic is empty, and wait until the job has scored everything that is there.

    `check_job` is called meanwhile, and raises if the job has ended. Raises DriftlineError if the job stands still.
    """
    with steps.step("publish and score the shoppers' history") as step:
        publish_s = 0.0
        if not progress.look().published:
            step.note("publishing")
            publish_s = _publish(settings, history.file)
        before = progress.look().totals.events
        started_s = time.monotonic()
        for events, published in _catching_up(progress, check_job):
            step.note(f"{events:,} of {published:,} events scored")
        took_s = time.monotonic() - started_s
        events = progress.look().totals.events
        if publish_s:
            step.done = f"published a history of {events:,} events in {publish_s:.1f} s, scored {took_s:.1f} s later"
        elif events > before:
            step.done = f"scored the {events:,} events that the topic held already: {events / took_s:,.0f}/s"
        else:
            step.done = f"all of the {events:,} events that the topic held already are scored"


def _publish(settings: StackSettings, file: Path) -> float:
    started_s = time.monotonic()
    with EventPublisher(settings) as publisher:
        publish_events(publisher, EventReader([file]), settings.events_format)
    return time.monotonic() - started_s


def _catching_up(progress: TopicProgress, check_job: Callable[[], None]) -> Iterator[tuple[int, int]]:
    newest, moved_s = -1, time.monotonic()
    while not (seen := progress.look()).done:
        events = seen.totals.events
        if events != newest:
            newest, moved_s = events, time.monotonic()
        elif time.monotonic() - moved_s > STALLED_S_MAX:
            message = (
                f"{JOB} has scored {events:,} of {seen.published:,} events and none for {STALLED_S_MAX:g} s; "
                "the Flink UI shows why"
            )
            raise DriftlineError(message)
        check_job()
        yield events, seen.published
        time.sleep(_POLL_S)
