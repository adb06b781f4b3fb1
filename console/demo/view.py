"""The live view: a Snapshot as lines that fit the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.demo.monitor import Snapshot
from console.demo.shoppers import ShopperRow, arrow, sparkline
from console.demo.silence import silent_line
from console.demo.traffic import Kind
from sink_connectors.score_store import Progress

ROWS_MAX = 8
_OTHER_LINES = 15  # of the view, besides shoppers
_LABEL_WIDTH = 11
_ONE_LINE_WIDTH = 100  # a narrower terminal gets the counters on two lines
_LEGEND = "purchase: how likely within 30 minutes, by the model; bold: just changed"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where to look further."""

    flink: str
    grpc: str


@dataclass(frozen=True)
class _Column:
    title: str
    width_min: int  # of the terminal: a narrower one does without the column
    cell: Callable[[ShopperRow], Text]
    right: bool = True


def render(snapshot: Snapshot, addresses: Addresses, *, width: int, height: int) -> RenderableType:
    """The view; no line is wider than the terminal, and short terminals show fewer shoppers."""
    shown = snapshot.rows[: max(min(ROWS_MAX, height - _OTHER_LINES), 1)]
    shopper = shown[0].user_id if shown else "USER"
    return Group(
        _header(snapshot),
        Text(),
        _line("events", _rates(snapshot)),
        _line("freshness", _freshness(snapshot)),
        *_accounted(snapshot.totals, width),
        _line("mixed in", Text(mixed_in(snapshot), style="dim")),
        Text(),
        _shoppers(shown, width),
        _trim(Text(_LEGEND, style="dim")),
        _line("silent", Text(silent_line(snapshot.away))) if snapshot.away else Text(),
        _line("model", Text(snapshot.model_version or "none yet")),
        _line("Flink UI", Text.assemble(addresses.flink, ("   gRPC  ", "dim"), addresses.grpc)),
        _line("try", Text(f"driftline scores {shopper}", style="bold")),
        _trim(Text(snapshot.trouble, style="red")),
    )


def accounted(totals: Progress) -> str:
    """The four counters, which add up to the events read."""
    return (
        f"{totals.events:,} read = {totals.accepted:,} accepted + {totals.duplicate:,} duplicate"
        f" + {totals.late:,} late + {totals.dead_letter:,} dead letters"
    )


def mixed_in(snapshot: Snapshot) -> str:
    """The legend of the traffic: what is not an ordinary event, and what becomes of it."""
    counts = snapshot.counts
    return (
        f"{snapshot.out_of_order:,} out of order, {counts[Kind.REPEAT]:,} repeats, "
        f"{counts[Kind.LATE]:,} late by a day, {counts[Kind.MALFORMED]:,} malformed"
    )


def plain_line(snapshot: Snapshot) -> str:
    """The moment in one line, where there is no terminal."""
    fresh = snapshot.freshness
    freshness = (
        f"freshness p50 {fresh.p50_ms:.0f} ms, p99 {fresh.p99_ms:.0f} ms" if fresh.probes else "no freshness yet"
    )
    line = (
        f"  {snapshot.running_s:4.0f} s  {snapshot.published_per_s:,.0f} events/s in, "
        f"{snapshot.scored_per_s:,.0f}/s processed; {accounted(snapshot.totals)}; {freshness}"
    )
    return f"{line}; {snapshot.trouble}" if snapshot.trouble else line


def _header(snapshot: Snapshot) -> Text:
    minutes, seconds = divmod(int(snapshot.running_s), 60)
    left = "Ctrl-C ends it" if snapshot.left_s is None else f"ends in {snapshot.left_s:.0f} s"
    return _trim(Text.assemble(("Driftline demo", "bold"), (f"   {minutes}:{seconds:02}   {left}", "dim")))


def _rates(snapshot: Snapshot) -> Text:
    return Text.assemble(
        (f"{snapshot.published_per_s:,.0f}/s", "bold cyan"),
        " in   ",
        (f"{snapshot.scored_per_s:,.0f}/s", "bold cyan"),
        f" processed   {snapshot.counts.total():,} published, {snapshot.waiting:,} on their way",
    )


def _freshness(snapshot: Snapshot) -> Text:
    fresh = snapshot.freshness
    if not fresh.probes:
        return Text("measuring ...", style="dim")
    return Text.assemble(
        "p50 ",
        (f"{fresh.p50_ms:.0f} ms", "bold green"),
        "   p99 ",
        (f"{fresh.p99_ms:.0f} ms", "bold"),
        f"   last {fresh.last_ms:.0f} ms",
        ("   from publish to gRPC", "dim"),
    )


def _accounted(totals: Progress, width: int) -> list[Text]:
    whole = accounted(totals)
    if width >= _ONE_LINE_WIDTH:
        return [_line("accounted", Text(whole))]
    read, equals, parts = whole.partition("= ")
    return [_line("accounted", Text(read)), _line("", Text(equals + parts))]


def _line(label: str, text: Text) -> Text:
    return _trim(Text.assemble((f"{label:<{_LABEL_WIDTH}}", "dim"), text))


def _trim(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _shoppers(rows: Sequence[ShopperRow], width: int) -> Table:
    columns = [column for column in _COLUMNS if width >= column.width_min]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(column.cell(row) for column in columns), style="bold" if row.fresh else "")
    return table


def _purchase(row: ShopperRow) -> Text:
    if row.purchase is None:
        return Text("-")
    mark = arrow(row.move)
    return Text.assemble(f"{row.purchase:.3f} ", (mark, "green" if mark == "▲" else "red"))


_COLUMNS = (
    _Column("shopper", 0, lambda row: Text(row.user_id), right=False),
    _Column("purchase", 0, _purchase),
    _Column("engaged", 36, lambda row: Text(f"{row.engagement:.3f}")),
    _Column("churn", 44, lambda row: Text(f"{row.churn:.3f}")),
    _Column("session", 54, lambda row: Text(f"{row.session_events:,}")),
    _Column("top category", 68, lambda row: Text(row.category), right=False),
    _Column("trend", 80, lambda row: Text(sparkline(row.trend), style="cyan"), right=False),
)
