"""`driftline heal`: what came later than the bound is put in place, in the running job."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from console.cli.dead_letter_options import moment_ms, span_ms
from console.cli.long_runs import stop_on_signal, with_progress
from console.settings import StackSettings
from driftline.topics import DEAD_LETTER
from driftline.topics import LATE as LATE_TOPIC
from driftline.units import DAY_MS, wall_clock_ms
from jobs.base_settings import parse_assignments
from jobs.settings import ScoreEventsSettings

if TYPE_CHECKING:
    import threading

    from console.dead_letters.topic import LetterTopic
    from console.healing.facts import LateUsers
    from console.healing.run import Run, Sender
    from console.publishing import EventPublisher
    from history.healing import Job, Place

_USERS_A_PASS = 10_000  # whose history is in memory at a time
_GIVE_UP_MS = 7 * DAY_MS  # a user whose orders are refused is tried again for as long
_ANSWER_S = 3.0  # how long after its count of records the job's dead letter may come


@dataclass(frozen=True)
class _Wanted:
    """What the options ask for."""

    since: str | None
    users: list[str]
    rate: float | None
    wait_s: float
    dry_run: bool
    as_json: bool
    audit: Path | None

    @property
    def is_whole(self) -> bool:
        """Whether the run looks at all that is new, so that the next one may begin behind it."""
        return self.since is None and not self.users and not self.dry_run


def heal(  # noqa: PLR0917  (options, each by name)
    namespace: Annotated[str, typer.Option(help="Namespace of the job. [default: that of its settings]")] = "",
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting that the job was submitted with; repeatable."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Users with an event that was late then or later. A time with its zone, or an age like 2h or 7d.",
            show_default="where the last run ended",
        ),
    ] = None,
    users: Annotated[
        list[str] | None, typer.Option("--user", metavar="ID", help="This user alone; repeatable.", show_default="all")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="At most so many orders a second.", show_default="no limit")
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="TIME", help="Go on, and begin a run so often: 30m, 1h.", show_default="once")
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until the job has read the orders.")] = 120.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but send.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each user.")] = False,
    audit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append a line of JSON for each user.", show_default="none")
    ] = None,
) -> None:
    """Put events in place that came later than the disorder bound, without stopping the job.

    For each user with new events on the late topic, the user's history is read from the events topic and folded twice,
    with the late events and without them; an order on the events topic has the job put the one in place of the other,
    if its state is as expected. The job goes on meanwhile. An order that does not fit is refused, counted, and made
    anew by the next run, so run it by a schedule. A run that is cut short, or repeated, does no harm.

    For example: driftline heal --every 1h --audit heals.jsonl
    """
    given = parse_assignments(assignments or []) | ({"namespace": namespace} if namespace else {})
    wanted = _Wanted(since, users or [], rate, wait, dry_run, as_json, audit)
    every_s = None if every is None else span_ms("--every", every) / 1000
    with stop_on_signal() as stop:
        while True:
            began_s = time.monotonic()
            _run(_settings(given), wanted, stop)
            if every_s is None or stop.wait(max(0.0, began_s + every_s - time.monotonic())):
                return


def _settings(given: dict[str, str]) -> ScoreEventsSettings:
    from console.submission import job_settings

    return cast("ScoreEventsSettings", job_settings("score-events", StackSettings.load(), given))


def _run(job: ScoreEventsSettings, wanted: _Wanted, stop: threading.Event) -> None:
    from console.healing.facts import next_begins
    from sink_connectors.heal_positions import HealPositions

    stack, now_ms = StackSettings.load(), wall_clock_ms()
    with closing(HealPositions.connect(job.redis_address, namespace=job.namespace)) as positions:
        late_topic = job.topic(LATE_TOPIC)
        begins = positions.get(late_topic)
        late = _late_users(stack, job, wanted, begins, now_ms)
        run = _healed(stack, job, wanted, late, stop)
        _tell(run, wanted)
        if wanted.is_whole and not stop.is_set():
            positions.put(late_topic, next_begins(late, begins, run.open_users(), now_ms, _GIVE_UP_MS))


def _late_users(
    stack: StackSettings, job: ScoreEventsSettings, wanted: _Wanted, begins: dict[int, int], now_ms: int
) -> LateUsers:
    from console.healing.facts import late_users

    since_ms = 0 if wanted.since is None else moment_ms("--since", wanted.since, now_ms)
    with _opened(stack, job.topic(LATE_TOPIC)) as topic:
        return late_users(
            with_progress(topic, topic.total, "late events"),
            job.events_topic,
            begins=begins,
            since_ms=since_ms,
            users=frozenset(user.encode() for user in wanted.users),
        )


def _opened(stack: StackSettings, name: str, since_ms: int | None = None) -> closing[LetterTopic]:
    from console.dead_letters.topic import LetterTopic

    return closing(LetterTopic(stack, name, since_ms=since_ms))


def _healed(
    stack: StackSettings, job: ScoreEventsSettings, wanted: _Wanted, late: LateUsers, stop: threading.Event
) -> Run:
    """Make the orders of a run, send them, and wait for the job."""
    from console.dead_letters.replay import paced
    from console.healing.facts import rejected_places
    from console.healing.run import Run
    from console.publishing import EventPublisher

    began_ms, rejected = wall_clock_ms(), dict[bytes, set["Place"]]()
    if late.first:
        with _opened(stack, job.topic(DEAD_LETTER)) as topic:
            rejected = rejected_places(topic, job.events_topic, late.first)

    def pace(keys: Iterable[bytes]) -> Iterable[bytes]:
        for key in paced(keys, wanted.rate, sleep=stop.wait):
            if stop.is_set():
                return
            yield key

    with ExitStack() as opened:
        send = None
        if late.first and not wanted.dry_run:
            publisher = opened.enter_context(EventPublisher(stack, topic=job.events_topic))
            send = _sender(publisher)
        run = Run(f"{began_ms:x}-{uuid.uuid4().hex[:8]}", _job(job), late, rejected, send)
        for keys in run.passes(_USERS_A_PASS):
            if stop.is_set():
                break
            with _opened(stack, job.events_topic) as topic:
                run.deleted = topic.deleted
                histories = run.read(keys, with_progress(topic, topic.total, "events"))
            run.heal(histories, pace)
    if run.sent:
        _await_answers(stack, job, run, (wanted.wait_s, began_ms), stop)
    return run


def _sender(publisher: EventPublisher) -> Sender:
    def send(user_id: str, value: bytes, timestamp_ms: int) -> Callable[[], Place]:
        sent = publisher.post(user_id, value, timestamp_ms)

        def place() -> Place:
            metadata = sent.get(timeout=60.0)
            return metadata.partition, metadata.offset

        return place

    return send


def _job(settings: ScoreEventsSettings) -> Job:
    from history.healing import Job
    from jobs.bundle import bound_for
    from jobs.pipeline import bounds_of, decoder_of, folding_of

    bound = bound_for(settings)
    return Job(
        decoder=decoder_of(settings, bound),
        bounds=bounds_of(settings, bound.plan),
        plan=bound.plan,
        folding=folding_of(settings, bound),
        event_bytes_max=settings.event_bytes_max,
        now_ms=wall_clock_ms(),
    )


def _await_answers(
    stack: StackSettings, job: ScoreEventsSettings, run: Run, times: tuple[float, int], stop: threading.Event
) -> None:
    """Wait until the job has read the orders, and ask its dead letters which it has refused."""
    from console.healing.facts import refusals
    from console.healing.waiting import Processed

    wait_s, began_ms = times
    deadline_s = time.monotonic() + wait_s
    with closing(Processed(stack, job.events_topic, job.redis_address, job.namespace)) as processed:
        while not processed.look(run.sent) and time.monotonic() < deadline_s and not stop.wait(0.2):
            pass
        stop.wait(min(_ANSWER_S, wait_s))
        with _opened(stack, job.topic(DEAD_LETTER), since_ms=began_ms) as topic:
            run.answer(processed.has, refusals(topic, job.events_topic))


def _tell(run: Run, wanted: _Wanted) -> None:
    lines = [json.dumps(audit.line()) for audit in run.audits.values()]
    if wanted.audit is not None and not wanted.dry_run:
        with wanted.audit.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
    if wanted.as_json:
        for line in lines:
            typer.echo(line)
    summary = " ".join(f"{name.replace('-', '_')}={number}" for name, number in run.summary().items())
    typer.echo(summary, err=wanted.as_json)
    if wanted.dry_run:
        typer.echo("a dry run: nothing was sent", err=True)
    for remark in remarks(run):
        typer.echo(remark, err=True)


def remarks(run: Run) -> list[str]:
    """What to do about orders that were not carried out, a line for each cause."""
    causes: dict[str, int] = {}
    for audit in run.audits.values():
        if audit.cause:
            cause = audit.cause.partition(":")[0]
            causes[cause] = causes.get(cause, 0) + 1
    lines = [f"{number:,} not healed, {cause}: {MOVES.get(cause, 'see --json')}" for cause, number in causes.items()]
    if run.deleted and "history-differs" in causes:
        lines.append(
            f"the first {run.deleted:,} offsets of the events topic are deleted: who had events there stays so"
        )
    return lines


MOVES = {
    "no-state": "the job does not know the user any more; nothing is served of them either",
    "other-plan": "name the job's declarations and settings: --set declarations=FOLDER, --set session_gap_ms=...",
    "forgotten": "a FORGET came in between; the next run knows it",
    "cut-passed": "events came faster than the run; the next run tries a later cut",
    "history-differs": "an event came in between, and the next run fits; or the topic does not hold the user's whole "
    "history, the settings are not those of the job (--set), or a feature is newer than the user",
}
