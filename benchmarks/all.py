"""Every benchmark in one run, and one summary of everything that is required.

    python -m benchmarks.all [--parts suite job freshness scaling serving] [--write]

Each part is a program of its own with a stack of its own; one that fails does not keep the others from running. A part
that is left out counts with what it saved last, and the summary says so; `--parts` with no name shows that alone. The
exit code is 0 when everything required is met and was measured. `--write` puts the results of the parts that ran, and
the summary, into docs/performance.md.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks import freshness_report, job, report, scaling_report
from benchmarks.checks import Check, markdown, table
from benchmarks.topic_runs import put_between
from benchmarks.workbench import ROOT, machine, result_file, save, saved

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- required: written by python -m benchmarks.all --write -->", "<!-- required: end -->"
LOOK_S = 0.5
# Times the minutes expected, at most: on a slow day a part takes twice as long, and one that hangs must end.
OVERTIME_FACTOR = 4

Result = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of the benchmarks.

    Attributes:
        key: its name on the command line, of its module's figures, and in the summary.
        arguments: to its module; what it measures by default is the same or more.
        minutes: that it took on two cores.
        checks: what is required of its figures.
        write: puts them into docs/; nothing where a person does.
    """

    key: str
    arguments: tuple[str, ...] = ()
    minutes: float
    checks: Callable[[Result], list[Check]]
    write: Callable[[Result], None] | None = None


def serving_checks(result: Result) -> list[Check]:
    """The part judges by itself; one that judged nothing has failed."""
    found = [
        Check(check["what"], f"{check['value']:.2f}", check["required"], check["met"]) for check in result["checks"]
    ]
    return found or [Check.missing("the server", "its figures")]


PARTS = {
    part.key: part
    for part in (
        Part(key="suite", minutes=26, checks=report.checks, write=report.write),
        Part(key="job", minutes=3, checks=job.checks),
        Part(
            key="freshness",
            arguments=("--seconds", "25"),
            minutes=12,
            checks=freshness_report.checks,
            write=freshness_report.write,
        ),
        Part(key="scaling", minutes=9, checks=scaling_report.checks, write=scaling_report.write),
        Part(key="serving", arguments=("--seconds", "4"), minutes=8, checks=serving_checks),
    )
}


@dataclass(frozen=True)
class Outcome:
    """How a part ended."""

    part: str
    began: str
    minutes: float
    failed: str = ""  # and why


def main() -> None:
    """Run, summarise, and exit with what came of it."""
    options = _options()
    outcomes = run_parts([PARTS[key] for key in options.parts])
    checks = [check for part in PARTS.values() for check in checks_of(part, outcomes)]
    print(summary(checks, outcomes))
    save("all", {"outcomes": [asdict(outcome) for outcome in outcomes], "checks": [asdict(check) for check in checks]})
    if options.write:
        write(checks, outcomes)
    sys.exit(0 if all(check.met for check in checks) else 1)


def run_parts(parts: Sequence[Part]) -> list[Outcome]:
    """Run one after the other, also after one has failed."""
    outcomes: list[Outcome] = []
    for number, part in enumerate(parts):
        left = remaining_minutes(parts[number:], outcomes)
        print(f"\npart {number + 1} of {len(parts)}: {part.key}; about {left:.0f} min remain\n", flush=True)
        outcomes.append(_run(part))
        ended = outcomes[-1]
        print(f"\n{part.key}: {ended.failed or 'done'} after {ended.minutes:.1f} min", flush=True)
    return outcomes


def remaining_minutes(parts: Sequence[Part], outcomes: Sequence[Outcome]) -> float:
    """How long these parts take, should the machine go on as fast as it was in those that have run."""
    done = [outcome for outcome in outcomes if not outcome.failed]
    expected = sum(PARTS[outcome.part].minutes for outcome in done)
    pace = sum(outcome.minutes for outcome in done) / expected if expected else 1.0
    return pace * sum(part.minutes for part in parts)


def _run(part: Part) -> Outcome:
    began, began_s, file = datetime.now(UTC), time.monotonic(), result_file(part.key)
    file.unlink(missing_ok=True)  # what an earlier run kept must not pass for this one's
    command = [sys.executable, "-m", f"benchmarks.{part.key}", *part.arguments]
    with _terminations() as asked, subprocess.Popen(command, cwd=ROOT) as process:
        while process.poll() is None and not asked and time.monotonic() < began_s + part.minutes * 60 * OVERTIME_FACTOR:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)
        late = process.poll() is None
        if late:
            process.terminate()  # it stops its stack
        code = process.wait()
    if asked:
        raise SystemExit(128 + asked[0])
    minutes = (time.monotonic() - began_s) / 60
    failed = "took too long" if late else f"ended with exit code {code}" if code else ""
    return Outcome(part.key, f"{began:%Y-%m-%d %H:%M} UTC", minutes, failed)


@contextmanager
def _terminations() -> Iterator[list[int]]:
    """The SIGTERMs that came so far. An exception could come before the part's process has a name."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


def checks_of(part: Part, outcomes: Sequence[Outcome]) -> list[Check]:
    """What is required of a part, from the figures that it kept; a part without them has not met it."""
    failed = next((outcome.failed for outcome in outcomes if outcome.part == part.key and outcome.failed), "")
    found = [Check(f"{part.key}: the part itself", failed, "to end well", met=False)] if failed else []
    result = saved(part.key)
    if result:
        return found + part.checks(result)
    return found or [Check.missing(f"{part.key}: the part itself", "a run")]


def summary(checks: Sequence[Check], outcomes: Sequence[Outcome]) -> str:
    """Everything that is required, met or not, and how long it took."""
    missed = [check for check in checks if not check.met]
    count = f"{len(checks) - len(missed)} of {len(checks)} met"
    return "\n".join(
        [
            "",
            f"machine: {machine()}",
            *_about(outcomes),
            "",
            table(checks),
            "",
            f"{count}; NOT MET:" if missed else f"{count}.",
            *(f"  {check}" for check in missed),
        ]
    )


def write(checks: Sequence[Check], outcomes: Sequence[Outcome]) -> None:
    """The figures of the parts that ran, and the summary, into docs/."""
    for outcome in outcomes:
        part = PARTS[outcome.part]
        if part.write and not outcome.failed:
            part.write(saved(part.key))
    about = [f"machine: {machine()}", *_about(outcomes)]
    text = "\n".join(["```bash\nmake bench\n```\n", *(f"- {line}" for line in about), "", markdown(checks)])
    DOCUMENT.write_text(put_between(DOCUMENT.read_text(), BEGIN, END, text))


def _about(outcomes: Sequence[Outcome]) -> list[str]:
    lines = []
    if outcomes:
        took = ", ".join(f"{outcome.part} {outcome.minutes:.1f} min" for outcome in outcomes)
        lines.append(
            f"one run from {outcomes[0].began}: {took}; {sum(outcome.minutes for outcome in outcomes):.0f} min in all"
        )
    ran = {outcome.part for outcome in outcomes}
    if earlier := [key for key in PARTS if key not in ran and result_file(key).exists()]:
        lines.append(f"from earlier runs: {', '.join(earlier)}")
    return lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS), help="what to run")
    parser.add_argument("--write", action="store_true", help="into docs/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
