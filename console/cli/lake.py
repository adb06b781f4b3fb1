"""`driftline lake`: the archive of the events topic, in files. `import` has a file of its own.

pyarrow, DuckDB and Kafka's client are imported where they are used: the other commands start without them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from console.cli.dead_letter_options import span_ms
from console.cli.lake_import import import_files
from console.cli.lake_options import LakeUrl, Since, Topic, Until, check_dates, opened_lake
from console.settings import StackSettings
from driftline.errors import InputError, SettingError
from driftline.units import MIB, wall_clock_ms

if TYPE_CHECKING:
    from console.lake.listing import Part
    from console.lake.verify import Verdict

_PIPE_WIDTH = 200  # columns where the output is not a terminal, so that nothing wraps
_ROWS_SHOWN = 1_000

app = typer.Typer(
    no_args_is_help=True,
    help="The history of the events topic in Parquet files. `driftline submit archive-events` fills it from Kafka, "
    "`driftline lake import` from files.\n\n"
    "A lake is a folder or s3://bucket/prefix, DRIFTLINE_LAKE_URL, with a folder for each topic. DRIFTLINE_S3_ENDPOINT "
    "names a server other than AWS's; keys are those of the environment (AWS_ACCESS_KEY_ID ...).",
)
app.command("import")(import_files)


@app.command("ls")
def list_parts(
    *,
    hours: Annotated[bool, typer.Option("--hours", help="A line for each hour of a date.")] = False,
    since: Since = "",
    until: Until = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array, an object a line.")] = False,
    topic: Topic = "",
    lake: LakeUrl = "",
) -> None:
    """List what a lake has by event date: files, rows, size. Reads the ends of files alone.

    For example: driftline lake ls --hours --since 2026-01-05
    """
    from console.lake.listing import parts_of
    from history.lake.reading import Lake

    check_dates(since, until)
    with opened_lake(StackSettings.load(), topic, lake) as location:
        parts = parts_of(Lake(location, since, until).contents(), by_hour=hours)
    if as_json:
        typer.echo(json.dumps([asdict(part) for part in parts], indent=2))
    else:
        _print_parts(parts, hours=hours)


@app.command()
def count(
    *,
    by: Annotated[
        str, typer.Option(metavar="COLUMN", help="A line for each value of this column.", show_default=False)
    ] = "",
    since: Since = "",
    until: Until = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    topic: Topic = "",
    lake: LakeUrl = "",
) -> None:
    """Count records, each once; by type, event_date, event_hour, user_id, reason or any other column.

    For example: driftline lake count --by type
    """
    name = '"' + by.replace('"', '""') + '"'
    query = "SELECT count(*) AS records FROM events"
    if by:
        query = f"SELECT {name}, count(*) AS records FROM events GROUP BY 1 ORDER BY records DESC, 1"  # noqa: S608  (the user's own machine)
    _answer(query, since=since, until=until, form="json" if as_json else "", topic=topic, lake=lake)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(metavar="SQL", help="The question; without it, the standard input.")] = "",
    *,
    since: Since = "",
    until: Until = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    topic: Topic = "",
    lake: LakeUrl = "",
) -> None:
    """Ask a lake in SQL (DuckDB's).

    The view `events` has a row for each record of the topic, each once: partition, offset, record_time_ms, key,
    payload, headers, what the record says (user_id, event_id, type, event_time_ms, item_id, category, value, currency,
    channel, name, properties, field_NAME for declared fields), or the reason why it is no event; event_date and
    event_hour (text, UTC), and the timestamps event_time and record_time. --since and --until leave files unread.

    A terminal shows the first 1,000 rows.

    For example: driftline lake sql "SELECT event_date, count(DISTINCT user_id) FROM events GROUP BY 1 ORDER BY 1"
    """
    if as_csv and as_json:
        message = "--csv and --json exclude each other"
        raise SettingError(message)
    text = query or sys.stdin.read()
    if not text.strip():
        message = (
            'there is no SQL, neither as an argument nor on the standard input; for example "SELECT * FROM events"'
        )
        raise InputError(message)
    form = "csv" if as_csv else "json" if as_json else ""
    _answer(text, since=since, until=until, form=form, topic=topic, lake=lake)


@app.command()
def verify(
    *,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Read from the topic what is missing, to tell records from others.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every column, to find damage also in what records say.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    topic: Topic = "",
    lake: LakeUrl = "",
) -> None:
    """Verify that a lake has every offset of every partition once.

    Says which offsets are missing, which are there twice, and whether those say the same, and which files cannot be
    read. Offsets of a topic that are no records (markers of transactions, aborted records, what was compacted away)
    are missing rightly: --kafka finds them by reading the topic there. What it finds is kept in the lake, for later,
    when the topic has deleted that part.

    Exit code 1 if records are lost, or may be, if files are damaged, or if rows of one offset differ.

    For example: driftline lake verify --kafka
    """
    from console.lake.verify import sentences
    from console.lake.verify import verify as verified

    settings: StackSettings = StackSettings.load()
    name = topic or settings.events_topic
    with opened_lake(settings, topic, lake) as location, _progress() as report:
        verdict = verified(location, settings, name, kafka=kafka, deep=deep, report=report)
    if as_json:
        typer.echo(json.dumps(verdict.as_document(), indent=2))
    else:
        _print_verdict(verdict)
        for line in sentences(verdict):
            typer.echo(line)
        typer.echo("every offset is there" if verdict.good else "the lake is not whole")
    if not verdict.good:
        raise typer.Exit(1)


@app.command()
def compact(
    *,
    older_than: Annotated[
        str,
        typer.Option(metavar="TIME", help="Leave files alone that are younger, like 30m or 2h, for jobs write them."),
    ] = "2h",
    file_mb: Annotated[
        int, typer.Option("--file-mb", min=1, max=1024, help="How large files may become; in MiB, compressed.")
    ] = 128,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be merged.")] = False,
    topic: Topic = "",
    lake: LakeUrl = "",
) -> None:
    """Merge the small files of each hour into larger ones, in the order of partition and offset.

    Safe while others read and archive, and after a crash: run it again. Rows that are there twice, and the same, become
    one. One command at a time may change a lake, `import` or `compact`: a second one on the same machine waits, and you
    see to it that there is none on another.

    For example: driftline lake compact --older-than 2h
    """
    from console.lake.compaction import compacted, would_compact
    from history.lake.compacting import CompactionBounds

    bounds = CompactionBounds(file_bytes_max=file_mb * MIB, older_than_ms=span_ms("--older-than", older_than))
    with opened_lake(StackSettings.load(), topic, lake) as location, _progress() as report:
        if dry_run:
            done = would_compact(location, bounds, wall_clock_ms())
        else:
            done = compacted(location, bounds, wall_clock_ms(), report)
    verb = "would merge" if dry_run else "merged"
    typer.echo(
        f"{verb} {done.files_before:,} files into {done.files_after:,} in {done.folders:,} folders: {done.rows:,} rows"
        + ("" if dry_run else f", {done.bytes_before / MIB:,.1f} MiB became {done.bytes_after / MIB:,.1f}")
    )


def _answer(query: str, *, since: str, until: str, form: str, topic: str, lake: str) -> None:
    from console.cli.lake_rows import print_rows
    from console.lake.sql import LakeSql
    from history.lake.reading import Lake

    check_dates(since, until)
    with (
        opened_lake(StackSettings.load(), topic, lake) as location,
        LakeSql(Lake(location, since, until)) as asked,
    ):
        print_rows(asked.answer(query), form, limit=_ROWS_SHOWN)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Shows on a terminal's stderr what a command is at."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("reading") as status:
        yield status.update


def _print_parts(parts: list[Part], *, hours: bool) -> None:
    from console.lake.listing import total_of

    table = _table("event date", *(["hour"] if hours else []), "files", "rows", "MiB")
    for part in [*parts, total_of(parts)]:
        date = part.date or ("in all" if part is not parts[-1] else "")
        sizes = f"{part.files:,}", f"{part.rows:,}", f"{part.size_bytes / MIB:,.1f}"
        table.add_row(date, *([part.hour] if hours else []), *sizes)
    _console().print(table)


def _print_verdict(verdict: Verdict) -> None:
    table = _table("partition", "offsets", "rows", "lost", "unknown", "no records", "twice", "differing")
    for one in verdict.partitions:
        kinds = one.lost, one.unknown, one.no_records, one.same, one.differing
        span = f"{one.begin:,}-{one.end - 1:,}" if one.end > one.begin else "none"
        table.add_row(str(one.partition), span, f"{one.rows:,}", *(f"{kind.count:,}" for kind in kinds))
    _console().print(table)
    typer.echo(f"{verdict.files:,} files, {verdict.rows:,} rows")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        text = name in {"event date", "hour", "partition", "offsets"}
        table.add_column(escape(name), no_wrap=True, justify="left" if text else "right")
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)
