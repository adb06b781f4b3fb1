"""The command line: `driftline COMMAND --help` explains each command.

Exit codes: 0 success, 1 failure (one clear line on stderr), 2 misuse.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from console.cli import (
    ask,
    audit,
    checkpoints,
    dead_letters,
    declarations,
    demo,
    diff,
    events,
    heal,
    jobs,
    lake,
    namespaces,
    promote,
    registry,
    replay,
    rest,
    scores,
    segments,
    stack,
    token,
    topics,
    train,
    training_set,
)
from driftline import __version__
from driftline.errors import DriftlineError

app = typer.Typer(
    name="driftline",
    help="Turns event streams into personalization scores.\n\nTo see it all at work: driftline demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_INTERRUPTED = 130  # as a shell counts SIGINT

PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start here": (demo.demo,),
    "Declarations": (declarations.init, declarations.check, declarations.schema),
    "Local stack": (stack.up, stack.status, stack.down),
    "Jobs": (jobs.submit, jobs.stop, replay.replay, promote.promote, jobs.drain, checkpoints.checkpoints),
    "Events": (events.simulate, events.publish, topics.topics, heal.heal),
    "Scores": (scores.serve, token.token, rest.rest, ask.scores, scores.export_scores, diff.diff, audit.audit),
    "Model": (training_set.training_set, train.train),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(command.__name__.replace("_", "-"), rich_help_panel=panel)(command)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel="Events")
app.add_typer(lake.app, name="lake", rich_help_panel="Events")
app.add_typer(namespaces.app, name="namespaces", rich_help_panel="Scores")
app.add_typer(segments.app, name="segments", rich_help_panel="Scores")
app.add_typer(registry.app, name="models", rich_help_panel="Model")


# What this repository installs: if one of these is missing, that is a bug, and its traceback is wanted.
OWN_PACKAGES = (
    "console",
    "declarations",
    "driftline",
    "history",
    "jobs",
    "serving",
    "sink_connectors",
    "state_schemas",
    "training",
    "udfs",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"driftline {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; what the user can act on becomes one line and an exit code."""
    try:
        app()
    except DriftlineError as error:
        typer.echo(f"driftline: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in OWN_PACKAGES:
            raise
        typer.echo(f"driftline: {_lacks(package)}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, Exception) as error:
        if not _is_interrupt(error):
            raise
        sys.exit(_INTERRUPTED)


def _lacks(package: str) -> str:
    """Say what to install for a command that needs a package which an installation for servers alone has not."""
    return f"this command needs {package}, which is not installed here: install driftline with the extra jobs"


def _is_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C began it; in the middle of a lock of gRPC's it ends as a RuntimeError."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        cause = cause.__context__
    return False
