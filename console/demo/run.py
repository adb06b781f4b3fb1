"""The order of the demo: make ready, run traffic, drain, read back, sum up, and stop what was started."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from rich.console import Console

from console.demo.display import Display, LiveDisplay, PlainDisplay
from console.demo.freshness import GIVE_UP_S, FreshnessLog, Handover, Prober
from console.demo.monitor import Monitor
from console.demo.prepare import SEED, SHOPPERS, History, StartedHere, demo_settings, ready_history, ready_model
from console.demo.scores_client import ScoresClient
from console.demo.shoppers import Watchlist, by_interest
from console.demo.silence import (
    FIRST_AGE_S,
    LOOKED_AT_S_MAX,
    Away,
    AwayRow,
    all_looked_at,
    away_row,
    last_visits,
    who_stays_away,
)
from console.demo.steps import Steps
from console.demo.stop_signals import StopSignals
from console.demo.summary import SCORES_SHOWN, Outcome, problems, summary
from console.demo.traffic import Traffic, live_records
from console.demo.view import ROWS_MAX, Addresses
from console.progress import Drained, TopicProgress
from console.publishing import EventPublisher
from console.settings import StackSettings
from driftline.errors import DriftlineError, ServiceUnavailable
from driftline.units import wall_clock_ms
from sink_connectors.score_store import read_live_namespace

REFRESH_S = 0.25
DRAIN_S_MAX = 60.0
_PUBLISHER_S_MAX = 60.0  # for the last acknowledgements
_JOB_CHECK_S = 2.0
_READ_BACK_S = 2 * DRAIN_S_MAX + _PUBLISHER_S_MAX  # shoppers active so lately are asked for
_POLL_S = 0.05
_RETRY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """How much traffic, and how it is shown. `seconds` None: until Ctrl-C."""

    rate: float
    seconds: float | None
    live: bool


def run_demo(options: DemoOptions, console: Console) -> None:
    """Run it; blocks. Raises DriftlineError if a step fails or the demo does not show what it promises."""
    settings: StackSettings = StackSettings.load()
    steps = Steps(console, live=options.live)
    ours = StartedHere(settings, steps)
    with StopSignals() as signals:
        try:
            session = _prepare(settings, options, steps, ours)
            with closing(session):
                outcome = session.run(signals, _display(settings, options, console))
            console.out(summary(outcome), highlight=False)
        finally:
            signals.ignore()
            ours.stop()
    if wrong := list(problems(outcome)):
        message = f"the demo failed: {'; '.join(wrong)}"
        raise DriftlineError(message)


def _prepare(settings: StackSettings, options: DemoOptions, steps: Steps, ours: StartedHere) -> _Session:
    ours.ready_stack()
    steps.say(f"  Flink UI {settings.flink_address}   gRPC {settings.grpc_address}", style="dim")
    with tempfile.TemporaryDirectory(prefix="driftline-demo-") as folder:
        history = History(Path(folder))
        namespace = settings.namespace or read_live_namespace(settings.redis_address, retry_s=_RETRY_S)
        made_of = demo_settings(settings, namespace, Path(folder))
        ready_model(settings.models_dir, made_of.learned_with, history, steps)
        check_job = partial(ours.check_job, ours.ready_job(settings, made_of))
        with ExitStack() as opened:
            progress = opened.enter_context(closing(TopicProgress(settings, namespace)))
            ready_history(settings, history, progress, steps=steps, check_job=check_job)
            opened.pop_all()  # the session closes it
    if not options.live:
        until = "until Ctrl-C" if options.seconds is None else f"for {options.seconds:g} s"
        steps.say(f"live traffic of {options.rate:g} events/s {until}")
    away: Sequence[Away] = ()
    if made_of.looks_soon and ours.submitted:
        away = who_stays_away(wall_clock_ms())
        steps.say(f"  declarations: v1 with a first age of {FIRST_AGE_S} s, so that silence shows", style="dim")
    return _Session(settings, options, steps, progress=progress, check_job=check_job, away=away)


def _display(settings: StackSettings, options: DemoOptions, console: Console) -> Display:
    if not options.live:
        return PlainDisplay(console)
    return LiveDisplay(console, Addresses(flink=settings.flink_address, grpc=settings.grpc_address))


class _Worker(threading.Thread):
    """A thread whose failure `check` raises in the thread that watches it."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Work, and keep what goes wrong."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001, RUF100  (raised again by check)
            self._failure = error

    def check(self) -> None:
        """Raise what went wrong."""
        if self._failure is not None:
            raise self._failure


class _Session:
    """The traffic from its first event until everything is accounted for."""

    def __init__(
        self,
        settings: StackSettings,
        options: DemoOptions,
        steps: Steps,
        *,
        progress: TopicProgress,
        check_job: Callable[[], None],
        away: Sequence[Away],
    ) -> None:
        self._settings = settings
        self._options = options
        self._steps = steps
        self._progress = progress
        self._check_job = check_job
        self._away = away
        self._client = ScoresClient(settings.grpc_address)
        self._ending = threading.Event()
        self._handover = Handover()
        self._traffic = Traffic(self._handover.offer)
        self._log = FreshnessLog()

    def run(self, signals: StopSignals, display: Display) -> Outcome:
        """Run the traffic until its time is over or a signal ends it, then wait for the rest."""
        before = self._progress.look()
        prober = Prober(as_of_ms=self._client.as_of_ms, log=self._log)
        publishing = _Worker("traffic", self._publish)
        probing = _Worker("probes", lambda: prober.run(self._handover, self._ending))
        started_s = time.monotonic()
        publishing.start()
        probing.start()
        try:
            with display, signals.deferred() as stop_requested:
                self._watch(display, stop_requested, (publishing, probing))
        finally:
            self._ending.set()
        publishing.join(_PUBLISHER_S_MAX)
        ended_s = time.monotonic()
        publishing.check()
        if publishing.is_alive():
            message = f"Kafka did not acknowledge the last events within {_PUBLISHER_S_MAX:g} s"
            raise ServiceUnavailable(message)
        with self._steps.step("wait until everything is processed") as step:
            after = self._drain(ended_s)
            step.done = "everything that was published is processed" if after.done else "gave up waiting for the rest"
        drained_s = time.monotonic() - ended_s
        probing.join(2 * GIVE_UP_S)
        probing.check()
        self._await_looks()
        return self._outcome(before, after, ended_s - started_s, drained_s)

    def close(self) -> None:
        """Close the connections."""
        self._progress.close()
        self._client.close()

    def _publish(self) -> None:
        records = live_records(
            users=SHOPPERS,
            seed=SEED,
            rate=self._options.rate,
            encoding=self._settings.events_format,
            wait=self._ending.wait,
        )
        last = last_visits(self._away, wall_clock_ms(), self._settings.events_format)
        with EventPublisher(self._settings) as publisher:
            self._traffic.publish(chain(last, records), publisher, self._ending)

    def _watch(self, display: Display, stop_requested: threading.Event, workers: tuple[_Worker, ...]) -> None:
        seconds = self._options.seconds
        monitor = Monitor(
            traffic=self._traffic,
            log=self._log,
            look=self._progress.look,
            source=self._client,
            watchlist=Watchlist(ROWS_MAX),
            away=self._away,
            seconds=seconds,
        )
        started_s = checked_s = time.monotonic()
        while not stop_requested.is_set() and (seconds is None or time.monotonic() - started_s < seconds):
            display.show(monitor.snapshot())
            for worker in workers:
                worker.check()
            if time.monotonic() - checked_s > _JOB_CHECK_S:
                self._check_job()
                checked_s = time.monotonic()
            stop_requested.wait(REFRESH_S)

    def _drain(self, ended_s: float) -> Drained:
        while not (seen := self._progress.look()).done and time.monotonic() - ended_s < DRAIN_S_MAX:
            time.sleep(_POLL_S)
        return seen

    def _await_looks(self) -> None:
        """Wait until the job has looked at who fell silent, which only a short demo has to."""
        if all_looked_at(self._away_rows(), self._away):
            return
        deadline_s = time.monotonic() + LOOKED_AT_S_MAX
        with self._steps.step("wait until the job looks at who fell silent") as step:
            while not all_looked_at(self._away_rows(), self._away) and time.monotonic() < deadline_s:
                time.sleep(REFRESH_S)
            step.done = "waited for the job to look at who fell silent"

    def _away_rows(self) -> list[AwayRow]:
        user_ids = [one.user_id for one in self._away]
        return [away_row(message) for message in self._client.with_as_of_event(user_ids)] if user_ids else []

    def _outcome(self, before: Drained, after: Drained, traffic_s: float, drained_s: float) -> Outcome:
        user_ids = by_interest(self._traffic.activity(within_s=_READ_BACK_S))[:SCORES_SHOWN]
        return Outcome(
            traffic_s=traffic_s,
            drained_s=drained_s,
            counts=self._traffic.counts,
            out_of_order=self._traffic.out_of_order,
            before=before,
            after=after,
            freshness=self._log.all(),
            newest_ms={user_id: self._traffic.newest_ms(user_id) for user_id in user_ids},
            scores=self._client.scores(user_ids),
            stay_away=self._away,
            away=self._away_rows(),
            now_ms=wall_clock_ms(),
        )
