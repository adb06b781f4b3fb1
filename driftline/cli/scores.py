"""The commands that read scores: serve, scores, export-scores.

The libraries of the server and of the store are imported where they are used: the other commands start without them,
and an image that carries only one extra can run that extra's commands.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.settings import StackSettings

if TYPE_CHECKING:
    from driftline.serving.v1.scores_pb2 import UserScores
    from sink_connectors.score_store import ScoreStore

EXPORT_PAGE = 1_000  # users read at a time


def serve(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one. [default: DRIFTLINE_GRPC_PORT]")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve scores over gRPC until SIGTERM or Ctrl-C; logs JSON lines to stderr."""
    from serving.server import serve as run  # noqa: PLC0415  (see the top)

    settings = StackSettings.load()
    run(
        host=host,
        port=settings.grpc_port if port is None else port,
        redis_url=settings.redis_address,
        namespace=settings.namespace,
    )


def scores(
    users: Annotated[list[str], typer.Argument(metavar="USER...", help="Ids of the users.")],
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON line a user; {status, userId} for one without scores.")
    ] = False,
) -> None:
    """Show users' scores, as the gRPC server gives them. Exits 1 if none of the users has any."""
    from driftline.cli.scores_table import print_results  # noqa: PLC0415  (see the top)
    from driftline.serving.v1 import score_service_pb2 as pb  # noqa: PLC0415
    from serving.client import batch_get_scores  # noqa: PLC0415

    _check_user_ids(users)
    results = list(batch_get_scores(StackSettings.load().grpc_address, users))
    if json_lines:
        for result in results:
            found = result.status == pb.RESULT_STATUS_OK
            line = scores_json(result.scores) if found else _json({"status": "NOT_FOUND", "userId": result.user_id})
            typer.echo(line)
    else:
        print_results(results, now_ms=time.time_ns() // 1_000_000)
    if all(result.status != pb.RESULT_STATUS_OK for result in results):
        raise typer.Exit(1)


def export_scores(
    namespace: Annotated[
        str | None, typer.Option(help="Namespace to read. [default: DRIFTLINE_NAMESPACE, else the live one]")
    ] = None,
) -> None:
    """Print every user's scores from Redis: one JSON line each, sorted by user, comparable with diff.

    Leaves out what differs between two runs over the same events: writtenAtMs and generation.
    """
    from sink_connectors.score_store import RedisScoreStore  # noqa: PLC0415  (see the top)

    settings = StackSettings.load()
    chosen = namespace if namespace is not None else settings.namespace
    if not chosen:
        chosen = RedisScoreStore.connect(settings.redis_address, retry_s=0).live_namespace()
    store = RedisScoreStore.connect(settings.redis_address, namespace=chosen, retry_s=0)
    for lines in export_lines(store):
        sys.stdout.write(lines)


def export_lines(store: ScoreStore) -> Iterator[str]:
    """Pages of JSON lines. Holds all user ids, to sort them (some 150 MB a million), but one page of scores."""
    from driftline.serving.v1.scores_pb2 import UserScores  # noqa: PLC0415  (see the top)
    from sink_connectors.score_value import split_features  # noqa: PLC0415

    user_ids = sorted(set(store.user_ids()))  # by code point, which is the order of their UTF-8 bytes
    for start in range(0, len(user_ids), EXPORT_PAGE):
        lines = []
        for stored in store.read(user_ids[start : start + EXPORT_PAGE]):
            if stored is None or stored.is_tombstone:
                continue
            _, scores = split_features(stored.scores)  # what the model saw, which ExplainScores shows
            message = UserScores.FromString(scores)
            message.ClearField("written_at_ms")
            message.ClearField("generation")
            lines.append(scores_json(message) + "\n")
        yield "".join(lines)


def scores_json(message: UserScores) -> str:
    """The message in the proto3 JSON mapping, on one line, keys sorted: equal messages give equal lines."""
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415  (see the top)

    return _json(MessageToDict(message))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _check_user_ids(user_ids: list[str]) -> None:
    from sink_connectors.score_value import check_user_id  # noqa: PLC0415  (see the top)

    for user_id in user_ids:
        try:
            check_user_id(user_id)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="USER") from None
