"""`driftline up`, `status` and `down`: the local stack."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from console.settings import StackSettings
from driftline.errors import StackError

if TYPE_CHECKING:
    from console.local import ServiceStatus, Stack

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COLOURS = {"running": "green", "external": "cyan", "unreachable": "red", "stopped": "yellow"}


class _Interrupted(BaseException):
    """The user or the system asked this command to end."""


def up(
    detach: Annotated[
        bool,
        typer.Option(
            "--detach",
            "-d",
            help="Return when everything answers and leave it running; `driftline down` stops it. "
            "Without it, this command stays, and Ctrl-C stops what runs.",
        ),
    ] = False,
    task_managers: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="Flink TaskManagers to run, 1.6 GB and one slot each: a job's parallelism can be as large. "
            "Call again with a larger number to add some; the running ones stay.",
        ),
    ] = 1,
) -> None:
    """Start the local stack: Kafka, Redis, a Flink cluster, the topics and the gRPC server.

    Starts only what is missing, so it may be called at any time, also to replace a service that died. Data and logs lie
    below DRIFTLINE_HOME (.driftline). Ports: DRIFTLINE_KAFKA_PORT (9092), DRIFTLINE_REDIS_PORT (6379),
    DRIFTLINE_FLINK_PORT (8081), DRIFTLINE_GRPC_PORT (50051). To use an existing service instead of starting one, set
    DRIFTLINE_KAFKA_BOOTSTRAP, DRIFTLINE_REDIS_URL, DRIFTLINE_FLINK_REST or DRIFTLINE_GRPC_TARGET. The first call
    downloads Kafka.
    """
    from console.local import Stack  # needs the extra `jobs`

    stack = Stack(StackSettings.load())
    progress = Console(stderr=True)

    def report(line: str) -> None:
        progress.print(line, style="dim", highlight=False)

    with _interruptible():
        try:
            started = stack.up(task_managers, report)
        except _Interrupted:
            progress.print("interrupted; what had been started was stopped again")
            raise typer.Exit(1) from None
        _print_table(stack.status())
        if started and not detach:
            progress.print("Ctrl-C stops the stack.")
            _stay(stack, report)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array, one object a service.")] = False,
) -> None:
    """Show what runs: state, pid, port, address and log of every service.

    `running` and `external` services answer, `unreachable` ones should but do not, `stopped` ones have no process.
    Below them, replays that run. Exits with 0 when everything can be used, else with 1.
    """
    from console.local import Stack  # needs the extra `jobs`

    stack = StackSettings.load()
    services = Stack(stack).status()
    if as_json:
        typer.echo(json.dumps([asdict(service) for service in services], indent=2))
    else:
        _print_table(services)
        _print_replays(stack, services)
    if not all(service.well for service in services):
        raise typer.Exit(1)


def down(
    purge: Annotated[
        bool,
        typer.Option(
            "--purge",
            help="Also delete what the stack has stored: events, scores, checkpoints and logs. Trained models stay.",
        ),
    ] = False,
) -> None:
    """Stop the local stack; events and scores are kept for the next `driftline up`.

    Only processes that `driftline up` started for this DRIFTLINE_HOME are stopped. Running jobs end with the cluster;
    their checkpoints stay.
    """
    from console.local import Stack  # needs the extra `jobs`

    stopped = Stack(StackSettings.load()).down(purge, typer.echo)
    if not stopped:
        typer.echo("nothing was running")


def _stay(stack: Stack, report: Callable[[str], None]) -> None:
    """Wait until the stack ends or is to end, and stop all of it. Raises StackError when a service died."""
    try:
        stack.watch()
        report("the stack was stopped by another command")
    except _Interrupted:
        stack.down(report=report)
    except StackError:
        stack.down(report=report)
        raise


def _print_replays(stack: StackSettings, services: list[ServiceStatus]) -> None:
    """Name the replays that run, where there is a Flink that could run any."""
    if not any(service.name == "jobmanager" and service.state in ("running", "external") for service in services):
        return
    from console.namespaces import running_replays
    from console.replaying.note import describe

    for name, replay in running_replays(stack).items():
        typer.echo(f"namespace {name}: {describe(replay)}; `driftline replay {name} --resume` watches it")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or closed terminal into `_Interrupted`; cleaning up is not interrupted again."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for stop_signal in _STOP_SIGNALS:
            signal.signal(stop_signal, signal.SIG_IGN)
        raise _Interrupted

    previous = {number: signal.signal(number, interrupt) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _print_table(services: list[ServiceStatus]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("service", "state", "address", "pid", "log"):
        table.add_column(column, no_wrap=True)
    for service in services:
        state = f"[{_COLOURS[service.state]}]{service.state}[/]"
        pid = "" if service.pid is None else str(service.pid)
        table.add_row(service.name, state, service.address, pid, Path(service.log).name if service.log else "")
    console = Console()
    console.print(table)
    for service in services:
        if service.warning:
            console.print(f"[yellow]warning:[/] {escape(service.warning)}", soft_wrap=True, highlight=False)
    folders = {str(Path(service.log).parent) for service in services if service.log}
    for folder in folders:  # one: the home's
        console.print(f"logs in {folder}", soft_wrap=True, highlight=False)
