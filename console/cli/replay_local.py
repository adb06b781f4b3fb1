"""The branch --local of `driftline replay`: the pure core over the lake, in processes of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import typer

from console.cli.long_runs import stop_on_signal
from console.cli.progress import Progressing
from console.settings import StackSettings
from driftline.errors import SettingError
from driftline.metrics import JobMetric
from jobs.settings import ScoreEventsSettings

if TYPE_CHECKING:
    from console.replaying.local import Look, Replayed

_DATE: Final = r"\d{4}-\d\d-\d\d"
_DATES: Final = re.compile(rf"({_DATE})?\.\.({_DATE})?|({_DATE})")
_INTERRUPTED: Final = 130


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """What the options of `driftline replay NAMESPACE --local` ask for.

    Attributes:
        namespace: to fill.
        assignments: settings of the job; `lake_url`, `declarations` and `only_users` among them.
        users: whose records count; empty: those of `only_users`, or everybody's.
        dates: event dates, as `dates_of` reads them.
        processes: 0: one a core.
        out: a folder for what is not scores.
        replace: drop what the namespace has.
        as_json: print a JSON object.
    """

    namespace: str
    assignments: Mapping[str, str]
    users: Sequence[str] = ()
    dates: str = ""
    processes: int = 0
    out: Path | None = None
    replace: bool = False
    as_json: bool = False


def run_local(options: LocalOptions) -> None:
    """Replay the lake into a namespace on this machine, and print the four counters.

    Raises:
        DriftlineError: it cannot be done; the message says why.
        Exit: it was cut short.
    """
    from console.replaying.local import make_room, replay_locally
    from console.replaying.processes import Stopped
    from console.submission import job_settings

    stack = StackSettings.load()
    since, until = dates_of(options.dates)
    given = dict(options.assignments) | {"namespace": options.namespace}
    settings = cast("ScoreEventsSettings", job_settings("score-events", stack, given).as_submitted())
    if settings.models_dir == str(stack.models_dir):  # another one that is missing is a mistake
        stack.models_dir.mkdir(parents=True, exist_ok=True)
    if make_room(stack, settings, replace=options.replace, report=lambda _: None):
        typer.echo(f"namespace {options.namespace} held a replay that was cut short; it is begun again", err=True)
    with stop_on_signal() as stop, Progressing("events") as progress:

        def show(look: Look) -> None:
            note = f"{look.users:,} users scored" if look.users else ""
            progress.show(look.records, look.total, note)

        try:
            found = replay_locally(
                settings,
                processes=options.processes,
                since=since,
                until=until,
                users=options.users,
                out=options.out,
                report=show,
                stop=stop,
            )
        except Stopped:
            message = f"cut short: namespace {options.namespace} is incomplete; the same command begins again"
            typer.echo(message, err=True)
            raise typer.Exit(_INTERRUPTED) from None
    _tell(found, options)


def dates_of(text: str) -> tuple[str, str]:
    """Return the first and the last event date of 2026-01-01..2026-01-31, 2026-01-01.., ..2026-01-31 or 2026-01-01.

    Raises:
        SettingError: naming the option and what it accepts.
    """
    found = _DATES.fullmatch(text)
    if not text or found is None:
        if not text:
            return "", ""
        message = f"--dates must be like 2026-01-01..2026-01-31, 2026-01-01.. or 2026-01-01, not {text!r}"
        raise SettingError(message)
    since, until = (found[3], found[3]) if found[3] else (found[1] or "", found[2] or "")
    if since and until and since > until:
        message = f"--dates begins behind its end: {text!r}"
        raise SettingError(message)
    return since, until


def _tell(found: Replayed, options: LocalOptions) -> None:
    totals, left_out = found.totals, found.counts.get(JobMetric.EVENTS_LEFT_OUT, 0)
    rate_s = found.records / found.seconds if found.seconds else 0.0
    if options.as_json:
        document = {
            "namespace": options.namespace,
            **totals._asdict(),
            "left_out": left_out,
            "users": found.users,
            "seconds": round(found.seconds, 3),
            "events_s": round(rate_s),
            "counts": dict(found.counts),
            "files": {name: str(path) for name, path in found.files.items()},
        }
        typer.echo(json.dumps(document))
        return
    typer.echo(
        f"processed={totals.events} accepted={totals.accepted} duplicate={totals.duplicate} late={totals.late} "
        f"dead_letter={totals.dead_letter}"
    )
    others = f"; {left_out:,} records of other users were left out" if left_out else ""
    typer.echo(
        f"{found.users:,} users in namespace {options.namespace}, in {found.seconds:,.1f} s, {rate_s:,.0f} events/s"
        f"{others}",
        err=True,
    )
    for path in found.files.values():
        typer.echo(f"written: {path}", err=True)
