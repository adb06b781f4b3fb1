"""`driftline namespaces` and `namespaces drop`: which scores servers read, and what else Redis holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from console.settings import StackSettings
from driftline.errors import SettingError
from driftline.units import MIB

if TYPE_CHECKING:
    from console.namespaces import Namespace, Report

_COLUMNS = ("namespace", "users", "about MiB", "job", "generation", "accepted", "duplicate", "late", "dead letter")
_RIGHT = frozenset({"users", "about MiB", "accepted", "duplicate", "late", "dead letter"})
_PIPE_WIDTH = 200  # columns where the output is not a terminal, so that nothing wraps
_WITHOUT_FLINK = "see DRIFTLINE_FLINK_PORT; --force drops the namespace without asking whether a job writes it"
_TIME = "%Y-%m-%d %H:%M:%S"

app = typer.Typer(no_args_is_help=False)


@app.callback(invoke_without_command=True)
def namespaces(
    context: typer.Context,
    no_count: Annotated[
        bool,
        typer.Option("--no-count", help="Neither count users nor estimate bytes: quicker where there are millions."),
    ] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON line a namespace.")] = False,
) -> None:
    """List the namespaces in Redis: live or not, users, size, job, totals.

    A namespace is listed from the moment at which a job claims it. Users are counted by SCAN, which is no snapshot, and
    include those who were forgotten. Bytes are an estimate, from MEMORY USAGE of 200 users; what Redis needs for their
    expiry, some 50 to 80 bytes a user, is not in it. The last write was at the time that is shown or later: it is the
    newest among the same 200 users. Times are in UTC.

    `driftline namespaces drop NAME` deletes one.
    """
    if context.invoked_subcommand is not None:
        if no_count or json_lines:
            message = f"--no-count and --json do not go with {context.invoked_subcommand}"
            raise typer.BadParameter(message)
        return
    from console.flink_rest import FlinkRest
    from console.namespaces import jobs_of, list_namespaces

    stack = StackSettings.load()
    jobs = jobs_of(FlinkRest(stack.flink_address))
    with _progress() as report:
        found = list_namespaces(stack.redis_address, jobs, count=not no_count, report=report)
    if jobs is None:
        typer.echo(f"Flink at {stack.flink_address} does not answer: which jobs run is not known", err=True)
    if json_lines:
        for one in found:
            typer.echo(json.dumps(asdict(one) | {"totals": one.totals._asdict()}))
    else:
        _print(found)


@app.command()
def drop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The namespace.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what would be deleted.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also the live one, in which servers then find no scores, or one that a running job writes: its users "
            "come back with their next events, and its totals begin to be incomplete. Flink is not asked.",
        ),
    ] = False,
) -> None:
    """Delete a namespace from Redis: the values of its users, then what its jobs have recorded.

    Goes in pages of some 1,000 users by UNLINK, so Redis serves others meanwhile. Interrupted, it goes on when it is
    run again; until then the namespace is listed as unfinished, and cannot be promoted. While it runs, no job can be
    submitted into it. Topics, savepoints and consumer groups of its jobs stay. A Redis Cluster is refused: jobs write
    none.

    For example: driftline namespaces drop rebuild --yes
    """
    from console.flink_rest import FlinkRest
    from console.namespaces import describe_drop, require_droppable
    from console.namespaces import drop as drop_namespace
    from sink_connectors.namespaces import RedisNamespaces

    _check(name)
    stack = StackSettings.load()
    with closing(RedisNamespaces.connect(stack.redis_address)) as there:
        require_droppable(there, FlinkRest(stack.flink_address, advice=_WITHOUT_FLINK), name, force=force)
        with _progress() as report:
            if yes:
                users = drop_namespace(there, name, force=force, report=report)
            else:
                would = describe_drop(there, name, report)
    if yes:
        typer.echo(f"dropped namespace {name}: {users:,} users")
    else:
        typer.echo(f"would delete {would}")
        typer.echo("nothing is deleted; --yes does it", err=True)


def _check(namespace: str) -> None:
    """Raise SettingError unless it can be the name of a namespace."""
    from sink_connectors.score_value import check_namespace

    try:
        check_namespace(namespace)
    except ValueError as error:
        raise SettingError(str(error)) from None


@contextmanager
def _progress() -> Iterator[Report]:
    with Console(stderr=True).status("") as status:
        yield status.update


def _print(found: list[Namespace]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in (*_COLUMNS, "written at or after"):
        table.add_column(column, no_wrap=True, justify="right" if column in _RIGHT else "left")
    for one in found:
        size = "" if one.estimated_bytes is None else f"{one.estimated_bytes / MIB:,.1f}"
        users = "" if one.users is None else f"{one.users:,}"
        counters = [f"{counter:,}" for counter in one.totals]
        times = [_utc(one.generation), *counters, _utc(one.newest_write_seen_ms)]
        table.add_row(_name(one), users, size, _job(one), *times)
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(table)


def _name(one: Namespace) -> str:
    marks = (("live", one.live), ("before the live one", one.previous), ("drop it again: unfinished", one.dropping))
    said = ", ".join([*(mark for mark, holds in marks if holds), *([one.replay] if one.replay else [])])
    return f"{one.name} ({said})" if said else one.name


def _job(one: Namespace) -> str:
    if not one.job_id:
        return "none recorded"
    state = {True: "runs", False: "ended", None: "?"}[one.running]
    return f"{one.job or one.job_id} {state}"


def _utc(time_ms: int | None) -> str:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime(_TIME) if time_ms else "not known"
