"""`driftline init`, `check` and `schema`: projects of declarations."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from console.cli.events import MAPPING_HELP
from console.cli.models import PROJECT, declared_names, job_settings, score_events_settings
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from declarations.costs import FeatureCost

_USERS = 1_000_000
_MB = 1_000_000


class Template(StrEnum):
    """What a project begins with."""

    RETAIL = "retail"
    MEDIA = "media"
    EMPTY = "empty"


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; no file is overwritten.")] = Path(PROJECT),
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
        typer.Argument(
            help="A project. [default: DRIFTLINE_DECLARATIONS, else personalization, else v1, the shipped set]",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Fold these events, too, in the order of their times, and show what the features come to.",
            show_default=False,
        ),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help=MAPPING_HELP, show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan that the job would get, as JSON.")] = False,
) -> None:
    """Check a project of declarations: every fault with file and line, or what each feature costs.

    Bytes are those of one user's state: at worst, with every map and window full and every text as long as it may be,
    and as a rule. A feature that shares what another one before it remembers costs nothing more.

    With a sample, what the job would refuse is counted by cause, and so is each declared type of events, so that a name
    or field that the events do not have is seen.

    For example: driftline check personalization --sample history.jsonl
    """
    from declarations.compile import plan_of
    from declarations.costs import feature_costs
    from declarations.errors import DeclarationError

    if folder is None:
        folder = _usual_folder()
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
    if sample is not None:
        _print_sample(folder, sample, mapping)


def _usual_folder() -> Path | None:
    """The project that commands are about where none is named; None: the shipped set."""
    return score_events_settings().declarations or (Path(PROJECT) if Path(PROJECT).is_dir() else None)


def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the reference of declarations instead, as Markdown.")
    ] = False,
) -> None:
    """Print the JSON Schema of declarations, which editors complete and check by; `init` writes it beside a project.

    For example: driftline schema > personalization/declarations.schema.json
    """
    if markdown:
        from declarations.reference import reference_text

        typer.echo(reference_text(), nl=False)
        return
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


def _print_sample(folder: Path | None, file: Path, mapping_file: Path | None) -> None:
    """Fold a file of events, and print what the features come to."""
    from console.sampling import fold_sample
    from declarations.models import ages_text
    from driftline.mapping.spec import Mapping
    from history.reading import EventReader
    from jobs.pipeline import bounds_of, decoder_of, refused_ids_of
    from jobs.plans import plan_for
    from training.examples import read_history

    settings = job_settings(folder)
    plan = plan_for(settings)
    mapped = None if mapping_file is None else Mapping.load(mapping_file)
    reader = EventReader(
        [file], mapping=mapped, skip_bad=True, refused=refused_ids_of(settings), declared=declared_names(settings)
    )
    users, left_out = read_history(reader, decoder_of(settings), wall_clock_ms())
    started_s = perf_counter()
    folded = fold_sample(users, plan, bounds_of(settings).profile)
    took_us = (perf_counter() - started_s) * 1e6 / max(1, folded.events)
    types = ", ".join(f"{name} {number:,}" for name, number in folded.types.items())
    typer.echo(f"\nsample: {folded.events:,} events of {folded.users:,} users, {took_us:.0f} us an event; {types}")
    for line in filter(None, [f"left out: {left_out}" if str(left_out) else "", *reader.summary()]):
        typer.echo(line, err=True)
    table = Table(box=None, pad_edge=False)
    for column in ("over users", "not the default", "least", "median", "most"):
        table.add_column(column, no_wrap=True, justify="left" if column == "over users" else "right")
    for spread in [*folded.features, *folded.scores]:
        numbers = ("" if value is None else f"{value:,.4g}" for value in (spread.least, spread.middle, spread.most))
        table.add_row(spread.name, f"{spread.filled:.1%}", *numbers)
    for name, members in folded.members.items():
        silent = folded.silent.get(name)
        if silent is None:
            table.add_row(f"segment {name}", f"{members / max(1, folded.users):.1%}")
        else:
            table.add_row(f"segment {name} after {ages_text([silent.age_s])}", f"{silent.share:.1%}")
    Console().print(table)


def _print_totals(plan: dict[str, Any], costs: list[FeatureCost]) -> None:
    from declarations.models import ages_text

    worst, usual = sum(cost.worst for cost in costs), sum(cost.usual for cost in costs)
    length = sum(cost.position is not None for cost in costs)
    declared = sum(event["custom"] != "" for event in plan["events"])
    typer.echo(f"\nfeature set {plan['name']}, {plan['hash']}")
    typer.echo(
        f"{length} of {len(costs)} features in the vector; reducers {len(plan['reducers'])}, "
        f"declared events {declared}, scores {len(plan['scores'])}, segments {len(plan['segments'])}"
    )
    typer.echo(
        f"state of a user: {worst:,} bytes at worst, {usual:,} as a rule; "
        f"of {_USERS:,} users {worst * _USERS / _MB:,.0f} MB and {usual * _USERS / _MB:,.0f} MB"
    )
    ages = ages_text(plan["ages_s"])
    typer.echo(f"while a user is silent: {f'evaluated again after {ages}' if ages else 'nothing changes'}")
