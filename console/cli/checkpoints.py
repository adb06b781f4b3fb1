"""`driftline checkpoints`: the copies of the jobs' state on this machine's disk."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from console.settings import StackSettings
from driftline.units import MIB

if TYPE_CHECKING:
    from console.local.checkpoints import Kept


def checkpoints(
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what no running job needs, but the newest of each namespace.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array, one object a copy.")] = False,
) -> None:
    """List the checkpoints and savepoints of the local stack: size, age, job and namespace, and why one is needed.

    A running job deletes its own old checkpoints; those of jobs that ended, and every savepoint, stay until --prune.
    The path is one for `driftline submit JOB --from-savepoint PATH`.
    """
    from console.local.checkpoints import list_kept
    from console.local.checkpoints import prune as prune_unneeded

    settings = StackSettings.load()
    if prune:
        deleted = prune_unneeded(settings)
        for copy in deleted:
            typer.echo(f"deleted {copy.folder}", err=True)
        freed = sum(copy.size_bytes for copy in deleted)
        typer.echo(f"deleted {len(deleted)} of them, {_size(freed)}", err=True)
    kept = list_kept(settings)
    if as_json:
        typer.echo(json.dumps([asdict(copy) for copy in kept], indent=2, default=str))
    else:
        _print(kept)


def _print(kept: list[Kept]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("kind", "size", "age", "job", "needed", "path"):
        table.add_column(
            column, no_wrap=column != "path", overflow="fold", justify="right" if column == "size" else "left"
        )
    now_s = time.time()
    for copy in kept:
        job = copy.job or f"job {copy.job_id}"
        path = str(copy.path) if copy.path else f"{copy.folder} (not complete)"
        table.add_row(copy.kind, _size(copy.size_bytes), _age(now_s - copy.made_at_s), job, copy.needed, path)
    console = Console()
    console.print(table)
    console.print(f"{_size(sum(copy.size_bytes for copy in kept))} in all", highlight=False)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / MIB:,.1f} MiB"


def _age(age_s: float) -> str:
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if age_s >= seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{max(0.0, age_s):.0f} s"
