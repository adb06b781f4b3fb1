"""The suite's results as text, as Markdown and as a plot.

`python -m benchmarks.report` prints those of the last run; `--write` puts them into docs/performance.md, between its
markers, and docs/images/suite.svg.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks import venvs
from benchmarks.checks import Check, at_least, lines
from benchmarks.documents import report_command, svg_pyplot
from benchmarks.entrants import CONTENDERS
from benchmarks.topic_runs import put_between
from benchmarks.workbench import ROOT

DOCUMENT, PLOT = ROOT / "docs" / "performance.md", ROOT / "docs" / "images" / "suite.svg"
BEGIN, END = "<!-- suite: written by python -m benchmarks.report --write -->", "<!-- suite: end -->"
COLUMNS = ("contender", "runs", "events/s min / median / max", "CPU s per million", "MiB", "scores equal", "state")
# Driftline's median must be at least this many times that of the contender.
RATIOS = (
    ("quix-idiomatic", 10.0),
    ("quix-tuned", 2.5),
    ("pyflink-process", 4.0),
    ("pyflink-thread", 4.0),
    ("sql-dedupe", 0.3),
)
EVENTS_S_MIN = 25_000
DRIFTLINES = ("driftline", "driftline-2")  # the requirements are for the machine, so for the second

Result = dict[str, Any]


def main() -> None:
    """Print or write the results of the last run."""
    report_command(__doc__, "suite", shown=text, write=write)


def write(result: Result) -> None:
    """Into docs/."""
    DOCUMENT.write_text(put_between(DOCUMENT.read_text(), BEGIN, END, markdown(result)))
    plot(result)


def text(result: Result) -> str:
    """The table and the verdicts for a terminal."""
    rows = [COLUMNS, *_rows(result)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*_about(result), "", *table, "", *lines(checks(result))])


def markdown(result: Result) -> str:
    """The same for a document, with the plot."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *_rows(result)]
    table = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(
        [
            "```bash\nmake bench-suite\n```\n",
            *(f"- {line}" for line in _about(result)),
            "",
            *table,
            "",
            f"![events a second by contender](images/{PLOT.name})\n",
            *(f"- {line}" for line in lines(checks(result))),
        ]
    )


def plot(result: Result) -> None:
    """Medians as bars, minimum to maximum as whiskers, on a logarithmic scale."""
    pyplot = svg_pyplot()
    rates = {key: rates for key in reversed(CONTENDERS) if (rates := _values(result, key, "events_s"))}
    middles = [median(values) for values in rates.values()]
    spans = [
        [middle - min(values) for middle, values in zip(middles, rates.values(), strict=True)],
        [max(values) - middle for middle, values in zip(middles, rates.values(), strict=True)],
    ]
    colors = ["#c2410c" if key in DRIFTLINES else "#94a3b8" if CONTENDERS[key].scores else "#e2e8f0" for key in rates]
    figure, axes = pyplot.subplots(figsize=(9, 0.45 * len(rates) + 1))
    bars = axes.barh([CONTENDERS[key].title for key in rates], middles, xerr=spans, color=colors, capsize=3)
    axes.bar_label(bars, [f" {middle:,.0f}" for middle in middles], padding=4)
    axes.set(xscale="log", xlabel="events a second (logarithmic; median, minimum and maximum)")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, bbox_inches="tight", metadata={"Date": None})


def _about(result: Result) -> list[str]:
    frameworks = "; ".join(venvs.versions(name) for name in venvs.FRAMEWORKS)
    return [
        f"machine: {result['machine']}",
        f"contenders' own versions: {frameworks}",
        f"topic: {result['events']:,} records of {result['users']:,} users, 5 % repeated, shuffled within 3 s",
        "contenders take turns, one run each, again and again",
        *_parts(result),
        f"a run is cut off after {result['seconds_max']:g} s",
        "CPU and memory are those of the contender's processes; on Flink of the TaskManager, which its jobs share",
    ]


def _parts(result: Result) -> list[str]:
    """Who read only the beginning of the topic."""
    parts: dict[int, dict[str, None]] = {}
    for entry in result["runs"]:
        if entry["records"] < result["events"]:
            parts.setdefault(entry["records"], {})[CONTENDERS[entry["contender"]].title] = None
    return [
        f"the first {records:,} records of it for: {'; '.join(titles)}" for records, titles in sorted(parts.items())
    ]


def _rows(result: Result) -> list[tuple[str, ...]]:
    return [_row(result, key) for key in _keys(result)]


def _row(result: Result, key: str) -> tuple[str, ...]:
    contender = CONTENDERS[key]
    rates = _values(result, key, "events_s")
    if not rates:
        failures = [entry["failed"] for entry in result["runs"] if entry["contender"] == key]
        return (contender.title, "0", f"failed: {failures[0]}", "-", "-", "-", contender.state)
    equal = _values(result, key, "share_equal")
    finished = all(entry.get("finished") for entry in result["runs"] if entry["contender"] == key)
    correct = f"{min(equal):.2%}" if equal else "does not score"
    return (
        contender.title,
        str(len(rates)),
        " / ".join(f"{value:,.0f}" for value in (min(rates), median(rates), max(rates))),
        f"{median(_values(result, key, 'cpu_s_per_million')):.1f}",
        f"{max(_values(result, key, 'memory_mib')):,.0f}",
        correct if finished else f"not finished ({correct})",
        contender.state,
    )


def checks(result: Result) -> list[Check]:
    """Everything that is required of Driftline here, measured or not."""
    return [check for ours in DRIFTLINES for check in _checks_of(result, ours)]


def _checks_of(result: Result, ours: str) -> list[Check]:
    title, rates = CONTENDERS[ours].title, _values(result, ours, "events_s")
    if not rates:
        return [Check.missing(f"{title}, everything", "a run")]
    rate, equal = median(rates), _values(result, ours, "share_equal")
    found = [
        at_least(f"{title}, events/s", rate, EVENTS_S_MIN),
        at_least(f"{title}, scores equal to those of plain Python", min(equal) * 100, 100, ".2f", " %"),
    ]
    for key, least in RATIOS:
        what, theirs = f"{title} / {CONTENDERS[key].title}", _values(result, key, "events_s")
        scale, form, unit = (1, ".1f", " times") if least >= 1 else (100, ".0f", " %")
        if theirs:
            found.append(at_least(what, rate / median(theirs) * scale, least * scale, form, unit))
        else:
            found.append(Check.missing(what, f"at least {least * scale:g}{unit}"))
    return found


def _keys(result: Result) -> list[str]:
    seen = {entry["contender"] for entry in result["runs"]}
    return [key for key in CONTENDERS if key in seen]


def _values(result: Result, key: str, name: str) -> list[float]:
    return [entry[name] for entry in result["runs"] if entry["contender"] == key and name in entry]


if __name__ == "__main__":
    main()
