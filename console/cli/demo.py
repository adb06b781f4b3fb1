"""`driftline demo`: everything at work, for people who see Driftline for the first time."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

SECONDS_WITHOUT_TERMINAL = 60.0


def demo(
    rate: Annotated[float, typer.Option(min=1, max=5_000, help="Events a second of live traffic.")] = 200.0,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=86_400,
            envvar="DEMO_SECONDS",
            help="End after this many seconds of traffic.",
            show_default="until Ctrl-C; without a terminal 60",
        ),
    ] = None,
) -> None:
    """See it all at work: simulated shoppers, the job on Flink, and scores that move as events come in, or stay away.

    Starts the local stack where none runs, trains a model where there is none, submits score-events, sends live traffic
    and shows it, measures how fresh the scores are over gRPC, and sums up. Whatever it started, it stops at the end. A
    second demo is quicker: the model and the shoppers' history are there already.

    Some shoppers fall silent, and their churn risk rises: the same visits, of which the last was today, yesterday and
    up to a month ago. The job runs the shipped set v1 with a first age of 10 s, so that it looks at them at once. With
    a project of your own (DRIFTLINE_DECLARATIONS), or a job that runs already, this part is left out.

    Exits with 0 only if every event was accounted for, the shoppers' scores were read back over gRPC, and the churn
    risk of those who fell silent has risen.
    """
    from rich.console import Console  # slow imports, for this command only

    from console.demo.run import DemoOptions, run_demo

    terminal = sys.stdout.isatty()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)  # a tick must not fail where there is only ASCII
    console = Console(highlight=False)
    options = DemoOptions(
        rate=rate,
        seconds=seconds if seconds is not None or terminal else SECONDS_WITHOUT_TERMINAL,
        live=terminal and not console.is_dumb_terminal,
    )
    try:
        run_demo(options, console)
    except KeyboardInterrupt:
        typer.echo("interrupted; what the demo had started was stopped again", err=True)
        raise typer.Exit(1) from None
