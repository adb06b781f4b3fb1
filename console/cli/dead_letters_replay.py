"""`driftline dead-letters replay`: rejected events are mended and sent again."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from console.cli.dead_letter_options import Late, Limit, Reasons, Since, Until, opened_topic, selection_of
from console.cli.events import MAPPING_HELP
from console.cli.long_runs import stop_on_signal, with_progress
from console.cli.models import score_events_settings
from console.settings import StackSettings
from driftline.errors import InputError, SettingError
from driftline.topics import DEAD_LETTER
from driftline.topics import LATE as LATE_TOPIC
from driftline.units import wall_clock_ms
from jobs.settings import ScoreEventsSettings

if TYPE_CHECKING:
    import threading

    from console.dead_letters.mending import Mend
    from console.dead_letters.records import Selection
    from console.dead_letters.replay import Outgoing, Replay, Report
    from console.dead_letters.topic import LetterTopic

_TOO_OLD = "the topic would refuse or delete it because of its age; --force sends it nevertheless"
_TRANSFORM = "Your function (DeadLetter) -> bytes | UserEvent | None; None skips it. It is run in this process."
_FORCE = "Send also what the topic will delete or refuse because of its age."


class _Publisher(Protocol):
    def send(
        self, user_id: str, value: bytes, timestamp_ms: int, headers: list[tuple[str, bytes]] | None = None
    ) -> None: ...

    def flush(self) -> None: ...

    def check_kept(self) -> None: ...


class _Nowhere:
    """What a dry run sends to."""

    def send(
        self, user_id: str, value: bytes, timestamp_ms: int, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        pass

    def flush(self) -> None:
        pass

    def check_kept(self) -> None:
        pass


def replay(
    *,
    late: Late = False,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    transform: Annotated[
        str | None, typer.Option(metavar="FILE.py:FUNCTION", help=_TRANSFORM, show_default=False)
    ] = None,
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help=MAPPING_HELP, show_default=False)] = None,
    to: Annotated[
        str | None, typer.Option(metavar="TOPIC", help="Where to send them.", show_default="DRIFTLINE_EVENTS_TOPIC")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="At most so many dead letters a second.", show_default="no limit")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but send.")] = False,
    force: Annotated[bool, typer.Option("--force", help=_FORCE)] = False,
) -> None:
    """Send dead letters again: mended by --transform or --mapping, or as they are. Exits with 1 if any failed.

    Events go to the events topic, keyed by user id, with the timestamp of the rejected record if that is still there,
    else with the event's own time. The header driftline.replayed_from names the dead letter. Dead letters stay where
    they are, so a second replay sends all of them again; the job drops the repeats while it remembers their event ids.

    For example: driftline dead-letters replay --reason UNDECODABLE --transform mend.py:mend --dry-run
    """
    settings: StackSettings = StackSettings.load()
    selection, mend = selection_of(reason, since, until), _mend(mapping, transform)
    target = _target(to or settings.events_topic)
    if late and to is None:
        _say("warning: a late event is late again unless the job's disorder_ms is larger now")
    with stop_on_signal() as stop, ExitStack() as opened:
        publisher = _Nowhere() if dry_run else _publisher(opened, settings, target, force=force)
        replaying = _replaying(opened, settings, mend, publisher)
        topic = opened.enter_context(opened_topic(late=late, selection=selection))
        report = _run(replaying, topic, (selection, limit, rate), stop)
        publisher.flush()
        _tell(report, topic.read, dry_run=dry_run, stopped=stop.is_set())
        if report.sent and not force:
            publisher.check_kept()
    if report.failed or stop.is_set():
        raise typer.Exit(1)


def _run(
    replaying: Replay,
    topic: LetterTopic,
    wanted: tuple[Selection, int | None, float | None],
    stop: threading.Event,
) -> Report:
    from console.dead_letters.replay import Report, paced, selected

    selection, limit, rate = wanted
    report = Report()
    letters = selected(with_progress(topic, topic.total, "dead letters"), selection, limit)
    for letter in paced(letters, rate, sleep=stop.wait):
        if stop.is_set():
            break
        replaying.take(letter, report)
    return report


def _mend(mapping: Path | None, transform: str | None) -> Mend:
    from console.dead_letters.mending import as_it_is, by_function, by_mapping
    from driftline.mapping.spec import Mapping

    if mapping is not None and transform is not None:
        message = "--mapping and --transform exclude each other"
        raise SettingError(message)
    if transform is not None:
        return by_function(transform)
    return as_it_is if mapping is None else by_mapping(Mapping.load(mapping))


def _target(topic: str) -> str:
    job: ScoreEventsSettings = ScoreEventsSettings.load()
    if topic in (job.topic(DEAD_LETTER), job.topic(LATE_TOPIC)):
        message = f"--to must be a topic that a job reads, such as {job.events_topic}, not {topic}"
        raise SettingError(message)
    return topic


def _publisher(opened: ExitStack, settings: StackSettings, topic: str, *, force: bool) -> _Publisher:
    from console.publishing import EventPublisher

    publisher = opened.enter_context(EventPublisher(settings, topic=topic, force=force))
    if publisher.warning:
        _say(f"warning: {publisher.warning}")
    return publisher


def _replaying(opened: ExitStack, settings: StackSettings, mend: Mend, publisher: _Publisher) -> Replay:
    from console.dead_letters.replay import Replay
    from console.dead_letters.topic import RecordLookup
    from console.topic_rules import RuleError
    from jobs.pipeline import decoder_of

    def send(event: Outgoing) -> None:
        try:
            publisher.send(event.user_id, event.value, event.timestamp_ms, event.headers)
        except RuleError:  # its text names the age, and would be another cause for each
            raise InputError(_TOO_OLD) from None

    lookup = opened.enter_context(closing(RecordLookup(settings)))
    decoder = decoder_of(score_events_settings())
    return Replay(mend=mend, complete=lookup.complete, send=send, decoder=decoder, now_ms=wall_clock_ms)


def _tell(report: Report, read: int, *, dry_run: bool, stopped: bool) -> None:
    from console.cli.dead_letters_text import moment, outcome, remarks

    for remark in remarks(report):
        _say(remark)
    if dry_run:
        _say("a dry run: nothing was sent")
    if stopped:
        _say(f"stopped before the end; --since {moment(report.last_failed_at_ms)} goes on")
    typer.echo(outcome(report, read))


def _say(text: str) -> None:
    typer.echo(text, err=True)
