"""Freshness as text, as Markdown and as a plot; `--write` puts the points kept so far into docs/."""

from __future__ import annotations

from typing import Any

from benchmarks.checks import Check, at_most, below, lines
from benchmarks.documents import report_command, svg_pyplot
from benchmarks.topic_runs import put_between
from benchmarks.workbench import ROOT
from console.demo.freshness import quantile

DOCUMENT, PLOT = ROOT / "docs" / "performance.md", ROOT / "docs" / "images" / "freshness.svg"
BEGIN, END = (
    "<!-- freshness: written by python -m benchmarks.freshness_report --write -->",
    "<!-- freshness: end -->",
)
SHARES = (0.5, 0.99, 0.999)
COLUMNS = (
    "block_ms",
    "events/s",
    "p50",
    "p99",
    "p99.9",
    "max",
    "until the fold, p50",
    "p99 away from checkpoints",
    "probes",
    "events a block",
    "cores that the load takes",
)
COLORS = {25: "#0f766e", 50: "#c2410c", 100: "#475569"}
# Required at this rate and block_ms.
REQUIRED = {"rate": 1_000, "block_ms": 50, "p50_ms": 60.0, "p99_ms": 150.0}
LOAD = ("traffic", "probing")

Result = dict[str, Any]
Point = dict[str, Any]


def main() -> None:
    """Print or write the points of the last run."""
    report_command(__doc__, "freshness", shown=summary, write=write)


def summary(result: Result) -> str:
    """A line a point for a terminal, and whether what is required is met."""
    found = [f"machine: {result['machine']}"] if "machine" in result else []
    for point in _sorted(result["points"]):
        cores = ", ".join(f"{name} {share:.2f}" for name, share in point["cores"].items())
        figures = " / ".join(f"{value:,.0f}" for value in (*_quantiles(point), _longest(point)))
        found.append(
            f"{point['label']} block_ms {point['block_ms']}, {point['rate']:,} events/s: "
            f"p50 / p99 / p99.9 / max {figures} ms ({len(point['probes']):,} probes), "
            f"half are folded after {_folded(point):,.0f} ms; "
            f"p99 away from checkpoints {_away(point):,.0f} ms; {point['events_a_block']:.1f} events a block; "
            f"cores: {cores}; traffic at most {point['traffic_behind_ms']:.0f} ms behind; "
            f"drained {point['drained_after_s']:.1f} s after its end, lost {point['lost']}"
        )
        found += lines(_checks_of(point))
    return "\n".join(found)


def checks(result: Result) -> list[Check]:
    """Everything that is required, measured or not."""
    required = [point for point in _shown(result) if _is_required(point)]
    if not required:
        return [Check.missing(f"freshness at {REQUIRED['rate']:,} events/s", f"block_ms {REQUIRED['block_ms']}")]
    lost = sum(point["lost"] for point in _shown(result))
    return [*_checks_of(required[0]), at_most("freshness, events lost at any rate", lost, 0)]


def _is_required(point: Point) -> bool:
    return (point["rate"], point["block_ms"]) == (REQUIRED["rate"], REQUIRED["block_ms"])


def _checks_of(point: Point) -> list[Check]:
    """What is required of this point; nothing of others."""
    if not _is_required(point):
        return []
    p50, p99, _ = _quantiles(point)
    checked = (("p50", p50, REQUIRED["p50_ms"]), ("p99", p99, REQUIRED["p99_ms"]))
    return [
        below(f"freshness, {name} at {point['rate']:,} events/s", value, limit, unit=" ms")
        for name, value, limit in checked
    ]


def markdown(result: Result) -> str:
    """The table, the plot and the verdicts."""
    points = _shown(result)
    rows = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for point in points:
        figures = " | ".join(
            f"{value:,.0f}" for value in (*_quantiles(point), _longest(point), _folded(point), _away(point))
        )
        load = sum(point["cores"][name] for name in LOAD)
        rows.append(
            f"| {point['block_ms']} | {point['rate']:,} | {figures} | {len(point['probes']):,} | "
            f"{point['events_a_block']:.1f} | {load:.2f} |"
        )
    met = [f"- {line}" for point in points for line in lines(_checks_of(point))]
    about = f"Milliseconds. Maximal rate: {result['maximal_events_s']:,.0f} events/s. Machine: {result['machine']}."
    return "\n".join([about, "", *rows, "", f"![freshness by rate](images/{PLOT.name})", "", *met])


def write(result: Result) -> None:
    """Into docs/."""
    DOCUMENT.write_text(put_between(DOCUMENT.read_text(), BEGIN, END, markdown(result)))
    plot(result)


def plot(result: Result) -> None:
    """Quantiles by rate, a color a block_ms, both axes logarithmic."""
    pyplot = svg_pyplot()
    figure, axes = pyplot.subplots(figsize=(9, 5))
    points = _shown(result)
    for block_ms in sorted({point["block_ms"] for point in points}):
        ours = [point for point in points if point["block_ms"] == block_ms]
        columns = zip(*map(_quantiles, ours), strict=True)
        for share, values, style in zip(SHARES, columns, ("-", "--", ":"), strict=True):
            label = f"block_ms {block_ms}, p{share * 100:g}"
            color = COLORS.get(block_ms, "#000000")
            axes.plot([point["rate"] for point in ours], values, style, marker="o", color=color, label=label)
    axes.set(xscale="log", yscale="log", xlabel="events a second", ylabel="publish to readable over gRPC, ms")
    ticks = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    rates = sorted({point["rate"] for point in points})
    axes.set_xticks(rates, [f"{rate:,}" for rate in rates])
    axes.minorticks_off()
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small", ncols=3)
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, bbox_inches="tight", metadata={"Date": None})


def _quantiles(point: Point) -> tuple[float, float, float]:
    ordered = sorted(took_ms for _, took_ms, _ in point["probes"])
    p50, p99, p999 = (quantile(ordered, share) for share in SHARES)
    return p50, p99, p999


def _folded(point: Point) -> float:
    return float(quantile(sorted(folded_ms for _, _, folded_ms in point["probes"]), 0.5))


def _longest(point: Point) -> float:
    return float(max(took_ms for _, took_ms, _ in point["probes"]))


def _away(point: Point) -> float:
    """The p99 of the probes that were not under way at any time of a checkpoint."""

    def meets(sent_ms: float, took_ms: float) -> bool:
        return any(sent_ms <= began + lasted and began <= sent_ms + took_ms for began, lasted in point["checkpoints"])

    ordered = sorted(took_ms for sent_ms, took_ms, _ in point["probes"] if not meets(sent_ms, took_ms))
    return quantile(ordered, 0.99) if ordered else float("nan")


def _shown(result: Result) -> list[Point]:
    return [point for point in _sorted(result["points"]) if not point["label"]]


def _sorted(points: list[Point]) -> list[Point]:
    return sorted(points, key=lambda point: (point["label"], point["block_ms"], point["rate"]))


if __name__ == "__main__":
    main()
