"""`driftline segments`, `segments show` and `segments sample`: who is in which segment, as the gRPC server gives it.

Its libraries are imported where they are used: the other commands start without them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.scores import as_json

if TYPE_CHECKING:
    from driftline.client import SegmentCount, SegmentMember

SHOWN = 100  # members that `show` prints by default
SAMPLED = 10
_PIPE_WIDTH = 160  # columns where the output is not a terminal, so that nothing wraps

app = typer.Typer(no_args_is_help=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the segment.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON line a user: sinceMs, userId.")]
Namespace = Annotated[str, typer.Option(help="Namespace to read. [default: the server's]")]


@app.callback(invoke_without_command=True)
def segments(
    context: typer.Context,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON line a segment: definition, members, name.")
    ] = False,
    namespace: Namespace = "",
) -> None:
    """List the declared segments, and how many users are in each.

    Users whose scores have expired are counted until the job has cleared them away.

    `driftline segments show NAME` lists the members of one.
    """
    if context.invoked_subcommand is not None:
        if json_lines or namespace:
            message = f"--json and --namespace go behind {context.invoked_subcommand}"
            raise typer.BadParameter(message)
        return
    from console.cli.calling import scores_client

    with scores_client(namespace) as client:
        found = client.list_segments()
    if json_lines:
        for one in found:
            typer.echo(as_json({"name": one.name, "members": one.members, "definition": one.definition}))
    elif found:
        _print_counts(found)
    else:
        typer.echo("no segments are declared", err=True)


@app.command()
def show(
    name: Name,
    limit: Annotated[int, typer.Option(min=0, help="At most so many members; 0 for all.")] = SHOWN,
    json_lines: Json = False,
    namespace: Namespace = "",
) -> None:
    """List the members of a segment, and since when (UTC) each is in it.

    For example: driftline segments show fans --limit 0 --json > fans.jsonl
    """
    from console.cli.calling import scores_client

    with scores_client(namespace) as client:
        members = client.list_segment_members(name, limit=limit + 1 if limit else 0)
        _print_members(islice(members, limit or None), json_lines)
        if limit and next(members, None) is not None:
            typer.echo(f"there are more; --limit 0 lists all members of {name}", err=True)


@app.command()
def sample(
    name: Name,
    count: Annotated[int, typer.Option(min=1, max=1_000, help="How many members.")] = SAMPLED,
    json_lines: Json = False,
    namespace: Namespace = "",
) -> None:
    """Show some members of a segment, chosen at random each time."""
    from console.cli.calling import scores_client

    with scores_client(namespace) as client:
        _print_members(client.sample_segment(name, count), json_lines)


def _print_counts(found: Iterable[SegmentCount]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("segment", no_wrap=True)
    table.add_column("members", justify="right")
    table.add_column("definition")
    for one in found:
        table.add_row(one.name, f"{one.members:,}", one.definition)
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)


def _print_members(members: Iterable[SegmentMember], json_lines: bool) -> None:
    """Print each as it comes: there may be millions."""
    for one in members:
        if json_lines:
            typer.echo(as_json({"userId": one.user_id, "sinceMs": one.since_ms}))
        else:
            typer.echo(f"{_utc(one.since_ms)}  {_printable(one.user_id)}")


def _utc(time_ms: int) -> str:
    try:
        return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return f"{time_ms} ms"


def _printable(text: str) -> str:
    """No control characters: ids come from events, and this goes to a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)
