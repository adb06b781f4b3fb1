"""`driftline lake import`: files of events become a lake, without Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.events import FILES_HELP, MAPPING_HELP, SKIP_BAD_HELP, require_plain
from console.cli.lake_options import LakeUrl, Topic, opened_lake
from console.cli.long_runs import stop_on_signal, until, with_progress
from console.settings import StackSettings
from driftline.errors import InputError
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from driftline.event.v1.event_pb2 import UserEvent
    from history.lake.importing import Import
    from history.lake.location import Location
    from history.lake.typed import Typer
    from history.order import OrderWatch
    from history.reading import EventReader
    from jobs.settings import ScoreEventsSettings


def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=FILES_HELP)],
    *,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help=SKIP_BAD_HELP)] = False,
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help=MAPPING_HELP, show_default=False)] = None,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Over how many partitions users are spread.",
            show_default="as many as the lake has, else DRIFTLINE_EVENTS_PARTITIONS",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Import also files that the lake has already.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Import also into a lake that is archived from Kafka; offsets will collide."),
    ] = False,
    topic: Topic = "",
    lake: LakeUrl = "",
) -> None:
    """Bring files of events into a lake, without Kafka.

    Keys, partitions, payloads and timestamps are those that `driftline publish` would give the events, and offsets go
    on from where the lake ends; so a replay of the lake computes what a job would of the topic. Everything becomes a
    part of the lake at once, at the end, or nothing does. A file that the lake has already is an error: a job would
    drop its events as duplicates, by their ids. The standard input is not compared.

    For example: driftline lake import events-*.jsonl.gz --skip-bad
    """
    from console.cli.models import declared_names, job_settings
    from driftline.mapping.spec import Mapping
    from history.order import OrderWatch
    from history.reading import EventReader
    from jobs.pipeline import refused_ids_of

    settings: StackSettings = StackSettings.load()
    job = job_settings(None)
    require_plain(job)
    order = OrderWatch(wall_clock_ms(), disorder_ms=job.disorder_ms, clock_skew_ms_max=job.clock_skew_ms_max)
    reader = EventReader(
        files,
        mapping=None if mapping is None else Mapping.load(mapping),
        skip_bad=skip_bad,
        check=lambda event: _check(event, order),
        refused=refused_ids_of(job),
        declared=declared_names(job),
    )
    with opened_lake(settings, topic, lake) as location:
        _bring(reader, files, location, job, settings, partitions=partitions, again=again, force=force)
    for line in [*reader.summary(), *([f"warning: {order.warning()}"] if order.warning() else [])]:
        _say(line)


def _bring(
    reader: EventReader,
    files: list[Path],
    location: Location,
    job: ScoreEventsSettings,
    settings: StackSettings,
    *,
    partitions: int | None,
    again: bool,
    force: bool,
) -> None:
    """Bring all events into the lake, or none."""
    from console.lake.importing import begin_import, import_events, new_import, partitions_for, sources_of
    from console.lake.locks import alone

    sources, started_s, now_ms = sources_of(files), time.monotonic(), wall_clock_ms()
    with alone(location), stop_on_signal() as stop:
        end = begin_import(location, sources, now_ms, again=again, force=force)
        count = partitions_for(end, partitions, settings.events_partitions)
        importing = new_import(location, _typer_of(job), end, sources, now_ms)
        with _all_or_nothing(importing):
            events = with_progress(until(stop, reader), None)
            import_events(importing, events, encoding=settings.events_format, partitions=count, now_ms=now_ms)
            if stop.is_set():
                _say("stopped before the end: nothing was imported")
                raise typer.Exit(1)
        importing.commit()
    _say(
        f"imported {importing.rows:,} events into {location.path} in {time.monotonic() - started_s:.1f} s: "
        f"{importing.files:,} files, {count} partitions"
    )
    if importing.no_events:
        _say(f"warning: a job will reject {importing.no_events:,} of them; `driftline lake count --by reason` says why")


@contextmanager
def _all_or_nothing(importing: Import) -> Iterator[None]:
    """Delete what was written if anything goes wrong, and say so."""
    try:
        yield
    except InputError as error:
        importing.discard()
        message = f"{error}. Nothing was imported"
        raise InputError(message) from None
    except BaseException:
        importing.discard()
        raise


def _check(event: UserEvent, order: OrderWatch) -> None:
    from history.reading import keyed

    keyed(event)
    order(event)


def _typer_of(job: ScoreEventsSettings) -> Typer:
    from history.lake.typed import Typer
    from jobs.pipeline import decoder_of
    from jobs.plans import plan_for

    return Typer(decoder_of(job), plan_for(job).data["events"])


def _say(text: str) -> None:
    typer.echo(text, err=True)
