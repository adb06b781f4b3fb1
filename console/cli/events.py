"""`driftline simulate` and `driftline publish`: make events, and bring them to Kafka.

numpy and Kafka's client are imported where they are used: the other commands start without them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from console.cli.long_runs import stop_on_signal, until, with_progress
from console.cli.models import declared_names, job_settings, score_events_settings
from console.settings import StackSettings
from driftline.errors import InputError, SettingError
from driftline.units import wall_clock_ms
from jobs.settings import ScoreEventsSettings

if TYPE_CHECKING:
    from console.publishing import EventPublisher
    from console.simulator import SimulatedEvent, SimulationSpec
    from driftline.event.v1.event_pb2 import UserEvent

_EVENTS_A_WRITE = 1_000
_STDIO = Path("-")
FILES_HELP = (
    "JSON lines or arrays, plain or as gzip or zstd, or with --mapping CSV and other JSON; - is the standard input. "
    "Several are read one after the other."
)
SKIP_BAD_HELP = "Leave out lines that are no events, and count them, instead of stopping."
MAPPING_HELP = "How CSV or other JSON becomes events, in TOML: docs/events.md; examples are in docs/mappings."
_FORCE = "Publish to Kafka even if the topic will delete or refuse events because of their age."


def simulate(
    *,
    users: Annotated[int, typer.Option(help="How many shoppers there are; a few of them are very active.")] = 1_000,
    events: Annotated[
        int | None,
        typer.Option(
            help="Exactly how many events to make, repeats not counted.", show_default="10000; with --rate: no end"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses the shoppers and what they do; the same again for the same.")] = 0,
    disorder_ms: Annotated[
        int, typer.Option(help="Events may arrive after ones that are newer by up to this many milliseconds.")
    ] = 0,
    duplicates: Annotated[
        float, typer.Option(metavar="SHARE", help="Repeat this share of the events, 0 to 1, up to two minutes later.")
    ] = 0.0,
    leaving: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Of the shoppers, how many stop coming during the history, 0 to 1."),
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write JSON lines here; - is the standard output.", show_default="to Kafka"),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="ISO-8601", help="When the history begins, UTC.", show_default="2026-01-01T00:00:00Z"),
    ] = None,
    days: Annotated[float | None, typer.Option(help="How long the history is.", show_default="14")] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Live traffic of this many events a second: event times follow the clock. Ctrl-C ends it."),
    ] = None,
    duration_s: Annotated[float | None, typer.Option(help="End live traffic after this many seconds.")] = None,
    force: Annotated[bool, typer.Option("--force", help=_FORCE)] = False,
) -> None:
    """Make the events of believable shoppers, reproducibly.

    A history by default: the same options give the same bytes; --disorder-ms and --duplicates change the order of
    arrival and repeat events, never the set. With --rate, live traffic, paced in real time.
    Without --out the events go to Kafka, as `driftline publish` would bring them there.

    For example: driftline simulate --users 1000 --events 100000 --seed 7 --out events.jsonl
    """
    from console.simulator import SimulationSpec, parse_start

    spec = SimulationSpec(
        users=users,
        events=events,
        seed=seed,
        disorder_ms=disorder_ms,
        duplicates=duplicates,
        leaving=leaving,
        start_ms=None if start is None else parse_start(start),
        days=days,
        rate=rate,
        duration_s=duration_s,
    )
    with stop_on_signal() as stop:
        if out is None:
            _simulate_to_kafka(spec, stop, force=force)
        else:
            _simulate_to_file(spec, out, stop)
    if stop.is_set() and rate is None:
        _say("stopped before the end")
        raise typer.Exit(1)


def publish(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=FILES_HELP)],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help=SKIP_BAD_HELP)] = False,
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help=MAPPING_HELP, show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help=_FORCE)] = False,
) -> None:
    """Publish files of events to Kafka, keyed by user, with the event's time as the record's timestamp.

    A line is an event as `driftline simulate --out` writes it, or as SDKs and exports do (docs/events.md). JSON arrays,
    gzip, zstd, and CSV or other JSON by a mapping are read, too. The order of the files is kept for each user.

    Unknown types, and ids that the job refuses, are published and warned of. DRIFTLINE_DECLARATIONS names the folder
    of declarations whose types are known, too.

    An event of the future has the present as its record's timestamp; the job will refuse it. A topic that would delete
    or refuse the events because of their age is an error.

    DRIFTLINE_EVENTS_FORMAT says what the topic holds: protobuf, the default, or json, which gets each line unchanged.

    For example: driftline publish events-*.jsonl.gz --skip-bad
    """
    from console.publishing import EventPublisher, publish_events
    from driftline.mapping.spec import Mapping
    from history.order import OrderWatch
    from history.reading import EventReader, keyed
    from jobs.pipeline import refused_ids_of

    settings: StackSettings = StackSettings.load()
    job = job_settings(None)
    require_plain(job)
    refused = refused_ids_of(job)
    mapped = None if mapping is None else Mapping.load(mapping)
    order = OrderWatch(wall_clock_ms(), disorder_ms=job.disorder_ms, clock_skew_ms_max=job.clock_skew_ms_max)

    def check(event: UserEvent) -> None:
        keyed(event)
        order(event)

    reader = EventReader(
        files, mapping=mapped, skip_bad=skip_bad, check=check, refused=refused, declared=declared_names(job)
    )
    with stop_on_signal() as stop, EventPublisher(settings, force=force) as publisher:
        _warn(publisher)
        started_s = time.monotonic()
        publish_events(publisher, with_progress(until(stop, reader), None), settings.events_format)
        publisher.flush()
        _report(publisher, started_s)
        if not force:
            publisher.check_kept()
    for line in reader.summary():
        _say(line)
    if warning := order.warning():
        _say(f"warning: {warning}")
    if stop.is_set():
        _say("stopped before the end")
        raise typer.Exit(1)


def _simulate_to_kafka(spec: SimulationSpec, stop: threading.Event, *, force: bool) -> None:
    from console.publishing import EventPublisher
    from console.simulator import json_line, user_event

    settings: StackSettings = StackSettings.load()
    require_plain(score_events_settings())
    as_json = settings.events_format == "json"
    with EventPublisher(settings, force=force) as publisher:
        _warn(publisher)
        started_s = time.monotonic()
        for event in with_progress(until(stop, _made(spec, stop.wait)), _total(spec)):
            value = json_line(event).encode() if as_json else user_event(event).SerializeToString()
            publisher.send(event.user_id, value, event.event_time_ms)
        publisher.flush()
        _report(publisher, started_s)
        if spec.rate is None and not force:  # of live traffic the beginning may be read and deleted by now
            publisher.check_kept()


def require_plain(job: ScoreEventsSettings) -> None:
    """Raise SettingError if the job would not read what is published here, as far as its variables tell."""
    if job.events_format == "avro" or job.events_framing != "none" or job.events_mapping is not None:
        message = (
            "the job reads values that are framed, of Avro, or in words of a mapping (events_format, events_framing, "
            "events_mapping); plain protobuf and JSON are what is published here, so name another topic and job"
        )
        raise SettingError(message)


def _simulate_to_file(spec: SimulationSpec, out: Path, stop: threading.Event) -> None:
    from console.simulator import json_line

    started_s = time.monotonic()
    count = 0
    lines: list[str] = []

    def write() -> None:
        sink.write("".join(lines).encode())
        sink.flush()
        lines.clear()

    def write_and_wait(seconds: float) -> None:
        write()
        stop.wait(seconds)

    with _writing(out) as sink:
        for event in with_progress(until(stop, _made(spec, write_and_wait)), _total(spec)):
            lines.append(json_line(event) + "\n")
            count += 1
            if len(lines) >= _EVENTS_A_WRITE:
                write()
        write()
    name = "the standard output" if out == _STDIO else out
    _say(f"wrote {count:,} events to {name} in {time.monotonic() - started_s:.1f} s")


def _made(spec: SimulationSpec, wait: Callable[[float], object]) -> Iterator[SimulatedEvent]:
    from console.simulator import simulate as simulate_history
    from console.simulator import simulate_live

    return simulate_history(spec) if spec.rate is None else simulate_live(spec, clock=time.time, sleep=wait)


def _total(spec: SimulationSpec) -> int | None:
    return spec.events if spec.rate is not None else spec.history_events


@contextmanager
def _writing(out: Path) -> Iterator[BinaryIO]:
    try:
        if out == _STDIO:
            yield sys.stdout.buffer
        else:
            with out.open("wb") as sink:
                yield sink
    except BrokenPipeError:  # the reader has seen enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except OSError as error:
        message = f"--out {out}: {error.strerror or error}"
        raise InputError(message) from None


def _report(publisher: EventPublisher, started_s: float) -> None:
    took_s = time.monotonic() - started_s
    _say(
        f"published {publisher.published:,} events of {publisher.users} users to topic {publisher.topic} "
        f"in {took_s:.1f} s"
    )


def _warn(publisher: EventPublisher) -> None:
    if publisher.warning:
        _say(f"warning: {publisher.warning}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
