"""`driftline scores`: asks the gRPC server, as any service would.

Its libraries are imported where they are used: the other commands start without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.scores import as_json, check_user_ids
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from driftline.client import Result, ScoresClient


def scores(
    users: Annotated[list[str], typer.Argument(metavar="USER...", help="Ids of the users.")],
    json_lines: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON line a user; stale: true beside an old answer; {status, userId} without scores."
        ),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show why: every feature that the model saw, and what it means.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow: print each new score as it is written, until Ctrl-C.")
    ] = False,
    namespace: Annotated[str, typer.Option(help="Namespace to read. [default: the server's]")] = "",
) -> None:
    """Show users' scores, as the gRPC server gives them. Exits 1 if none of the users has any.

    DRIFTLINE_GRPC_TARGET says where the server is; DRIFTLINE_CLIENT_TOKEN, _TLS, _CA_FILE, _CERT_FILE, _KEY_FILE and
    _SERVER_NAME how to call it.
    """
    from console.cli.calling import scores_client

    if explain and watch:
        message = "give --explain or --watch, not both"
        raise typer.BadParameter(message)
    check_user_ids(users)
    with scores_client(namespace) as client:
        if watch:
            _watch(client, users, json_lines=json_lines)
            return
        found = _explain(client, users, json_lines) if explain else _show(client, users, json_lines)
    if not found:
        raise typer.Exit(1)


def _show(client: ScoresClient, users: Sequence[str], json_lines: bool) -> bool:
    from console.cli.scores_table import print_results

    results = client.batch(users)
    if json_lines:
        for result in results:
            typer.echo(_line(result))
    else:
        print_results(results, now_ms=wall_clock_ms())
    return any(result.scores is not None for result in results)


def _explain(client: ScoresClient, users: Sequence[str], json_lines: bool) -> bool:
    from google.protobuf.json_format import MessageToDict

    from console.cli.scores_table import print_explanation
    from driftline.client import NotFoundError, Result
    from driftline.client.messages import explanation_message

    found = False
    for user_id in users:
        try:
            explanation = client.explain(user_id)
        except NotFoundError:
            _show_missing(Result(user_id, "NOT_FOUND"), json_lines)
            continue
        found = True
        if json_lines:
            typer.echo(as_json(MessageToDict(explanation_message(explanation))))
        else:
            print_explanation(explanation, now_ms=wall_clock_ms())
    return found


def _show_missing(result: Result, json_lines: bool) -> None:
    from console.cli.scores_table import print_results

    if json_lines:
        typer.echo(_line(result))
    else:
        print_results([result], now_ms=wall_clock_ms())


def _watch(client: ScoresClient, users: Sequence[str], *, json_lines: bool) -> None:
    from console.cli.scores_table import watch_line

    for result in client.watch(users):
        typer.echo(_line(result) if json_lines else watch_line(result))


def _line(result: Result) -> str:
    """The scores in the proto3 mapping, or the status; `stale` as there: left out where it is false."""
    from google.protobuf.json_format import MessageToDict

    from driftline.client.messages import scores_message

    if result.scores is None:
        line = {"status": result.status, "userId": result.user_id}
    else:
        line = MessageToDict(scores_message(result.scores))
    return as_json(line | {"stale": True} if result.stale else line)
