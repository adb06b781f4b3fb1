"""`driftline diff`: which users and which scores differ between two namespaces, and by how much."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.as_of import AsOf
from console.settings import StackSettings
from driftline.errors import InputError

if TYPE_CHECKING:
    from console.comparing import Comparison, Difference, Spread

_LIMIT_MAX = 10_000  # users that are listed, and kept in memory
_BAR = 40  # columns
_PIPE_WIDTH = 160  # columns where the output is not a terminal, so that nothing wraps


def diff(  # noqa: PLR0917  (options, each by name)
    first: Annotated[str, typer.Argument(metavar="NS1", help="A namespace, for example the live one.")],
    second: Annotated[str, typer.Argument(metavar="NS2", help="The namespace to compare with it.")],
    tolerance: Annotated[
        float, typer.Option(min=0, help="Numbers that differ by no more than this count as equal.")
    ] = 0.0,
    features: Annotated[
        bool, typer.Option("--features", help="Compare what the model saw, too, by the names of the features.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, max=_LIMIT_MAX, help="List so many users who differ, the largest difference first.")
    ] = 10,
    as_of: Annotated[
        AsOf, typer.Option(help="Compare the scores as of each user's newest event, or as they are served now.")
    ] = AsOf.EVENT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on one line.")] = False,
) -> None:
    """Compare the scores of two namespaces, before promoting one. Exits 0 if nothing differs, 1 otherwise.

    All that `driftline export-scores` prints is compared: scores and affinities within the tolerance, the rest (model,
    session, segments, as-of time, accepted events ...) as it is. Generation, hash of the declarations and time of
    writing are not. Users are ranked by the largest difference of a score that both namespaces have; a score that one
    of them lacks is counted beside that. As of the newest event, scores follow from the events alone; as they are
    served now, those of silent users are as of the ages that the clock has written on either side.

    Memory is bounded, and neither side is a snapshot: where jobs still write, drain both first, or differences are
    those of the moment. For example: driftline diff main rebuild --tolerance 0.01 --features
    """
    from console.comparing import Comparing
    from sink_connectors.catalogue_store import CatalogueStore
    from sink_connectors.score_store import RedisScoreStore

    url = StackSettings.load().redis_address
    with ExitStack() as opened:
        one, other = (
            opened.enter_context(closing(RedisScoreStore.connect(url, namespace=name, retry_s=5.0)))
            for name in (first, second)
        )
        told = [
            opened.enter_context(closing(CatalogueStore.connect(url, namespace=name, retry_s=5.0)))
            for name in (first, second)
        ]
        status = opened.enter_context(Console(stderr=True).status(""))
        comparing = Comparing(
            tolerance=tolerance,
            features=features,
            limit=limit,
            catalogues=(told[0].get(), told[1].get()),
            as_of=as_of,
            seen=lambda users: status.update(f"{users:,} users of both looked at"),
        )
        found = comparing.run(one, other)
    _require_users(found, first, second)
    if as_json:
        typer.echo(json.dumps({"as_of": as_of.value} | comparison_json(found, first, second, tolerance)))
    else:
        print_comparison(found, first, second)
    if not found.same:
        raise typer.Exit(1)


def _require_users(found: Comparison, first: str, second: str) -> None:
    """Raise InputError where a namespace has no scores at all: its name is more likely wrong than its content."""
    both = found.equal + found.different
    for name, users in ((first, both + found.only_first), (second, both + found.only_second)):
        if not users:
            message = f"namespace {name} has no scores; `driftline namespaces` lists those that there are"
            raise InputError(message)


def comparison_json(found: Comparison, first: str, second: str, tolerance: float) -> dict[str, Any]:
    """Return a comparison as values of JSON."""
    return {
        "first": first,
        "second": second,
        "tolerance": tolerance,
        "users": {name: getattr(found, name) for name in ("only_first", "only_second", "equal", "different")},
        "scores": {name: _spread_json(spread) for name, spread in sorted(found.scores.items())},
        "features": {name: _spread_json(spread) for name, spread in sorted(found.features.items())},
        "features_not_compared": found.unnamed,
        "fields": dict(sorted(found.fields.items())),
        "worst": [
            {
                "user_id": user.user_id,
                "difference": _number(user.size),
                "values": {name: [*map(_number, pair)] for name, pair in user.values.items()},
                "fields": user.fields,
            }
            for user in found.worst
        ],
    }


def _spread_json(spread: Spread) -> dict[str, Any]:
    counts = {name: value for name, value in asdict(spread).items() if isinstance(value, int)}
    histogram = [{"difference": label, "users": users} for label, users in spread.histogram()]
    return counts | {"max": _number(spread.largest), "mean": _number(spread.mean), "histogram": histogram}


def _number(value: float | None) -> float | str | None:
    """JSON has neither infinities nor what is not a number."""
    return value if value is None or math.isfinite(value) else str(value)


def print_comparison(found: Comparison, first: str, second: str) -> None:
    """Print a comparison, for people."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(f"users: {found.equal:,} equal, {found.different:,} different", markup=False)
    console.print(f"only in {first}: {found.only_first:,}; only in {second}: {found.only_second:,}", markup=False)
    for title, spreads in (("score", found.scores), ("feature", found.features)):
        shown = {name: one for name, one in spreads.items() if title == "score" or _differs(one)}
        if shown:
            console.print("", _spreads(title, shown, first, second), sep="\n")
        for name, spread in sorted(shown.items()):
            if spread.largest:
                console.print("", _histogram(name, spread), sep="\n")
    if found.features and not any(map(_differs, found.features.values())):
        console.print(f"\nno feature of {len(found.features)} differs")
    if found.unnamed:
        console.print(f"\nfeatures of {found.unnamed:,} users were not compared: no job has told what they are called")
    if found.fields:
        console.print("\nusers in whom something else differs: " + _counted(found.fields), markup=False)
    if found.worst:
        console.print("", _worst(found.worst, first, second), sep="\n")


def _differs(spread: Spread) -> bool:
    return bool(spread.differ or spread.only_first or spread.only_second)


def _counted(fields: dict[str, int]) -> str:
    return ", ".join(f"{name} {users:,}" for name, users in sorted(fields.items()))


def _spreads(title: str, spreads: dict[str, Spread], first: str, second: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in (title, "users differ", "of", f"only {first}", f"only {second}", "max", "mean"):
        table.add_column(Text(column), no_wrap=True, justify="left" if column == title else "right")
    for name, spread in sorted(spreads.items()):
        counts = (spread.differ, spread.both, spread.only_first, spread.only_second)
        table.add_row(Text(name), *(f"{count:,}" for count in counts), f"{spread.largest:.6g}", f"{spread.mean:.6g}")
    return table


def _histogram(name: str, spread: Spread) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(Text(f"{name} differs by"), no_wrap=True)
    table.add_column("users", no_wrap=True, justify="right")
    table.add_column("", no_wrap=True)
    rows = spread.histogram()
    most = max(users for _, users in rows)
    for label, users in rows:
        table.add_row(label, f"{users:,}", "#" * math.ceil(_BAR * users / most))
    return table


def _worst(worst: list[Difference], first: str, second: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("user", "value", first, second):
        table.add_column(Text(column), overflow="fold", justify="right" if column in {first, second} else "left")
    for user in worst:
        shown = _printable(user.user_id)
        differing = {name: pair for name, pair in user.values.items() if pair[0] != pair[1]}
        for name, (one, other) in differing.items():
            table.add_row(shown, Text(name), _shown(one), _shown(other))
            shown = Text("")
        if not differing:
            table.add_row(shown, Text(", ".join(user.fields)), "differs", "differs")
    return table


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.9g}"


def _printable(text: str) -> Text:
    """No control characters: ids come from events, and this goes to a terminal."""
    return Text("".join(char if char.isprintable() else "?" for char in text))
