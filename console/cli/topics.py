"""`driftline topics`: what each topic keeps, and for how long."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from console.settings import StackSettings
from driftline.units import DAY_MS

if TYPE_CHECKING:
    from console.local.topics import TopicStatus


def topics(
    apply: Annotated[
        bool,
        typer.Option(
            "--apply", help="Give existing topics the retention of the settings, which `up` creates them with."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array, one object a topic.")] = False,
) -> None:
    """Show the topics: how much they hold, how long they keep it, and how long the settings say.

    Settings: DRIFTLINE_EVENTS_RETENTION_DAYS, DRIFTLINE_LATE_RETENTION_DAYS, DRIFTLINE_DEAD_LETTER_RETENTION_DAYS and
    DRIFTLINE_SESSIONS_RETENTION_DAYS; -1 stands for ever. A broker deletes by the time of the records, which in the
    events topic is that of the events: a retention there deletes history that is older. A FORGET event does not reach
    what these topics hold; their retention does.

    For example: DRIFTLINE_LATE_RETENTION_DAYS=7 driftline topics --apply
    """
    from console.local.topics import apply_retention, describe_topics  # imports Kafka's client

    settings = StackSettings.load()
    if apply:
        for name in apply_retention(settings):
            typer.echo(f"changed the retention of {name}", err=True)
    found = describe_topics(settings)
    if as_json:
        typer.echo(json.dumps([asdict(topic) for topic in found], indent=2))
    else:
        _print_table(found)


def _print_table(found: list[TopicStatus]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("topic", "partitions", "offsets held", "kept", "setting"):
        table.add_column(column, no_wrap=True, justify="right" if column in ("partitions", "offsets held") else "left")
    for topic in found:
        if not topic.exists:
            table.add_row(topic.name, "", "", "[yellow]missing: driftline up creates it[/]", "")
            continue
        kept = "compacted: the newest of each user" if "compact" in topic.cleanup_policy else _shown(topic.retention_ms)
        setting = _shown(topic.wanted_retention_ms) if not topic.as_wanted else ""
        table.add_row(
            topic.name, str(topic.partitions), f"{topic.offsets:,}", kept, setting and f"[yellow]{setting}; --apply[/]"
        )
    Console().print(table)


def _shown(retention_ms: int | None) -> str:
    if retention_ms is None:
        return "the broker does not tell"
    return "for ever" if retention_ms < 0 else f"{retention_ms / DAY_MS:g} days"
