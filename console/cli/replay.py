"""`driftline replay`: what happened is computed again, into a namespace of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.replay_local import LocalOptions, run_local
from console.cli.replay_options import SOURCES, Options, require_for_flink, require_for_local, wanted_of
from console.cli.replay_steps import begin_replay, resume_replay
from jobs.base_settings import parse_assignments


def replay(  # noqa: PLR0917  (options, each by name)
    namespace: Annotated[
        str, typer.Argument(metavar="NAMESPACE", help="The namespace to fill; not the live one.", show_default=False)
    ],
    local: Annotated[
        bool, typer.Option("--local", help="Without Flink: the pure core over the lake, on this machine.")
    ] = False,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="|".join(SOURCES),
            help="Where the events are read: auto is the topic, with the lake before the topic's beginning.",
        ),
    ] = "auto",
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Records of then or later. A time with its zone, or an age like 2h or 7d.",
            show_default="the beginning",
        ),
    ] = None,
    from_offsets: Annotated[
        str | None,
        typer.Option(metavar="P:O,...", help="Begin at these offsets, like 0:120,1:88.", show_default="the beginning"),
    ] = None,
    until: Annotated[
        str, typer.Option(metavar="TIME|now", help="Records before then, or all that there are now.")
    ] = "now",
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
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the job, such as session_gap_ms; repeatable."),
    ] = None,
    declarations: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The project's declarations.", show_default="those of the settings"),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="At most so many events a second.", show_default="no limit")
    ] = None,
    parallelism: Annotated[int, typer.Option(min=1, max=128, help="Slots of the cluster to use.")] = 1,
    then_live: Annotated[
        bool, typer.Option("--then-live", help="Go on as a live job in this namespace, once it has caught up.")
    ] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="With --then-live: make it the live namespace then.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a replay whose command, job or cluster has ended.")
    ] = False,
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

    It is the job of live traffic, which is not touched, over what the topic or the lake holds now; what comes later is
    not read. It writes topics of its own, NAMESPACE.scores, NAMESPACE.sessions and so on, which the command makes, and
    ends with the four counters. With --then-live it has no end: the job goes on from exactly where the replay has got
    to, and --promote makes its namespace the live one. `driftline diff` compares the two before.

    Ctrl-C ends the command, not the job: `driftline replay NAMESPACE --resume` goes on watching. Where the job is gone,
    it is submitted again from its newest checkpoint.

    With --local, the lake is folded on this machine, in a process a core, and the scores go to Redis. Neither Flink nor
    Kafka has to run. A run that is cut short is begun again by the same command.

    For example: driftline replay rebuild --set session_gap_ms=900000 --then-live --promote
    """
    given = parse_assignments(assignments or [])
    if declarations is not None:
        given["declarations"] = str(declarations.absolute())
    lake_url = "" if not lake else lake if "://" in lake else str(Path(lake).absolute())
    options = Options(
        namespace=namespace,
        source=source,
        since=since,
        from_offsets=from_offsets,
        until=until,
        dates=dates,
        lake_url=lake_url,
        users=tuple(user or ()),
        users_file=users,
        settings=given,
        rate=rate,
        parallelism=parallelism,
        then_live=then_live,
        promote=promote,
        as_json=as_json,
    )
    if local:
        require_for_local(options, resume=resume)
        given |= {"lake_url": lake_url} if lake_url else {}
        given |= {"only_users": str(users)} if users is not None else {}
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
        return
    require_for_flink(options, local_only=(processes, out, replace), resume=resume)
    if resume:
        resume_replay(namespace, given, promote=promote, as_json=as_json)
    else:
        begin_replay(wanted_of(options))
