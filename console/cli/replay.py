"""`driftline replay`: what happened is computed again, into a namespace of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.replay_local import LocalOptions, run_local
from driftline.errors import SettingError
from jobs.base_settings import parse_assignments


def replay(  # noqa: PLR0917  (options, each by name)
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="The namespace to fill; not the live one.")],
    local: Annotated[
        bool, typer.Option("--local", help="Without Flink: the pure core over the lake, on this machine.")
    ] = False,
    dates: Annotated[
        str,
        typer.Option(
            metavar="A..B", help="Event dates of the lake, like 2026-01-01..2026-01-31.", show_default="all of them"
        ),
    ] = "",
    lake: Annotated[
        str, typer.Option(metavar="URL", help="Folder or s3://bucket/prefix of the lake. [default: DRIFTLINE_LAKE_URL]")
    ] = "",
    user: Annotated[
        list[str] | None, typer.Option("--user", metavar="ID", help="This user alone; repeatable.", show_default="all")
    ] = None,
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The users of a file alone, an id a line.", show_default="all")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the job; repeatable.")
    ] = None,
    declarations: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The project's declarations.", show_default="those of the settings"),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="With --local: processes side by side.", show_default="one a core")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --local: write sessions, segments, late events and dead letters there, as JSON lines.",
            show_default="they are counted",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --local: drop what the namespace has, first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object in the end.")] = False,
) -> None:
    """Compute the past again, into a namespace of its own, with settings and declarations of one's own.

    With --local, the lake is folded on this machine, in a process a core, and the scores go to Redis: readers may be
    shown them by `driftline promote`, `driftline diff` and `driftline export-scores` compare them. Neither Flink nor
    Kafka has to run. A run that is cut short is begun again by the same command.

    For example: driftline replay longer --local --set session_gap_ms=3600000
    """
    if not local:
        message = "say --local: the lake is folded on this machine"
        raise SettingError(message)
    given = parse_assignments(assignments or [])
    if lake:
        given["lake_url"] = lake if "://" in lake else str(Path(lake).absolute())
    if declarations is not None:
        given["declarations"] = str(declarations)
    if users is not None:
        given["only_users"] = str(users)
    run_local(
        LocalOptions(
            namespace=namespace,
            assignments=given,
            users=user or [],
            dates=dates,
            processes=processes or 0,
            out=out,
            replace=replace,
            as_json=as_json,
        )
    )
