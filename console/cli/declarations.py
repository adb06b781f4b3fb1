"""`driftline init`, `check` and `schema`: projects of declarations."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from declarations.costs import FeatureCost

_FOLDER = "personalization"
_USERS = 1_000_000
_MB = 1_000_000


class Template(StrEnum):
    """What a project begins with."""

    RETAIL = "retail"
    MEDIA = "media"
    EMPTY = "empty"


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; no file is overwritten.")] = Path(_FOLDER),
    template: Annotated[
        Template, typer.Option("--template", help="A shop, a music service, or hardly anything.")
    ] = Template.RETAIL,
) -> None:
    """Write a starting project of declarations: events, features, scores and segments in YAML, with comments.

    For example: driftline init personalization --template media
    """
    from declarations.starting import write_project

    for file in write_project(folder, template.value):
        typer.echo(f"wrote {file}")
    typer.echo(f"next: driftline check {folder}", err=True)


def check(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A project; by default personalization, or v1, the shipped set, if there is none."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan that the job would get, as JSON.")] = False,
) -> None:
    """Check a project of declarations: every fault with file and line, or what each feature costs.

    Bytes are those of one user's state: at worst, with every map and window full and every text as long as it may be,
    and as a rule. A feature that shares what another one before it remembers costs nothing more.

    For example: driftline check personalization
    """
    from declarations.compile import plan_of
    from declarations.costs import feature_costs
    from declarations.errors import DeclarationError

    if folder is None and Path(_FOLDER).is_dir():
        folder = Path(_FOLDER)
    try:
        plan = plan_of(folder)
    except DeclarationError as error:
        for line in error.lines:
            typer.echo(line, err=True)
        number = len(error.lines)
        typer.echo(f"driftline: {number} {'fault' if number == 1 else 'faults'}", err=True)
        raise typer.Exit(error.exit_code) from None
    if as_json:
        typer.echo(json.dumps(plan, indent=2, ensure_ascii=False))
        return
    costs = feature_costs(plan)
    _print_features(costs)
    _print_totals(plan, costs)


def schema() -> None:
    """Print the JSON Schema of declarations, which editors complete and check by; `init` writes it beside a project.

    For example: driftline schema > personalization/declarations.schema.json
    """
    from declarations.schema import schema_text

    typer.echo(schema_text(), nl=False)


def _print_features(costs: list[FeatureCost]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("feature", "vector", "type", "kind", "bytes at worst", "usual"):
        table.add_column(
            column, no_wrap=True, justify="right" if column in {"vector", "bytes at worst", "usual"} else "left"
        )
    for cost in costs:
        position = "" if cost.position is None else str(cost.position)
        bytes_shown = (f"{cost.worst:,}", f"{cost.usual:,}") if cost.worst else ("", "")
        table.add_row(cost.name, position, cost.type, cost.kind, *bytes_shown)
    Console().print(table)


def _print_totals(plan: dict[str, Any], costs: list[FeatureCost]) -> None:
    worst, usual = sum(cost.worst for cost in costs), sum(cost.usual for cost in costs)
    length = sum(cost.position is not None for cost in costs)
    declared = sum(event["custom"] != "" for event in plan["events"])
    typer.echo(f"\nfeature set {plan['name']}, {plan['hash']}")
    typer.echo(
        f"{length} features in the vector of {len(costs)}, {len(plan['reducers'])} reducers, "
        f"{declared} declared events, {len(plan['scores'])} scores, {len(plan['segments'])} segments"
    )
    typer.echo(
        f"state of a user: {worst:,} bytes at worst, {usual:,} as a rule; "
        f"of {_USERS:,} users {worst * _USERS / _MB:,.0f} MB and {usual * _USERS / _MB:,.0f} MB"
    )
