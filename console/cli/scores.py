"""The commands serve and export-scores.

The libraries of the server and of the store are imported where they are used: the other commands start without them,
and an image that carries only one extra can run that extra's commands.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import SecretStr

from console.as_of import AsOf, evaluated_at_ms, to_event
from console.settings import StackSettings, serve_settings
from serving.settings import ServeSettings

if TYPE_CHECKING:
    from sink_connectors.score_store import ScoreStore

EXPORT_PAGE = 1_000  # users read at a time
_UNSET = (None, "", SecretStr(""))


def _flag(name: str) -> Any:
    """The flag of a server setting, with its description and default; the environment's value comes between."""
    field = ServeSettings.model_fields[name]
    text = str(field.description)
    return typer.Option(
        help=f"{text[0].upper()}{text[1:]}.", show_default=str(field.default) if field.default not in _UNSET else False
    )


def serve(  # noqa: PLR0917  (flags, which Typer passes by name)
    port: Annotated[int | None, _flag("port")] = None,
    host: Annotated[str | None, _flag("host")] = None,
    workers: Annotated[int | None, _flag("workers")] = None,
    redis_url: Annotated[str | None, _flag("redis_url")] = None,
    redis_password_file: Annotated[Path | None, _flag("redis_password_file")] = None,
    read_from_replicas: Annotated[bool | None, _flag("read_from_replicas")] = None,
    redis_timeout_ms: Annotated[int | None, _flag("redis_timeout_ms")] = None,
    serve_stale: Annotated[bool | None, _flag("serve_stale")] = None,
    stale_age_s_max: Annotated[float | None, _flag("stale_age_s_max")] = None,
    in_flight_max: Annotated[int | None, _flag("in_flight_max")] = None,
    watched_users_max: Annotated[int | None, _flag("watched_users_max")] = None,
    grace_s: Annotated[float | None, _flag("grace_s")] = None,
    tls_cert: Annotated[Path | None, _flag("tls_cert")] = None,
    tls_key: Annotated[Path | None, _flag("tls_key")] = None,
    tls_client_ca: Annotated[Path | None, _flag("tls_client_ca")] = None,
    tokens_file: Annotated[Path | None, _flag("tokens_file")] = None,
    client_from_certificate: Annotated[bool | None, _flag("client_from_certificate")] = None,
    log_user_ids: Annotated[bool | None, _flag("log_user_ids")] = None,
    metrics_host: Annotated[str | None, _flag("metrics_host")] = None,
    metrics_port: Annotated[int | None, _flag("metrics_port")] = None,
    metrics_tls_cert: Annotated[Path | None, _flag("metrics_tls_cert")] = None,
    metrics_tls_key: Annotated[Path | None, _flag("metrics_tls_key")] = None,
    metrics_tls_client_ca: Annotated[Path | None, _flag("metrics_tls_client_ca")] = None,
) -> None:
    """Serve scores over gRPC until SIGTERM or Ctrl-C; logs JSON lines to stderr.

    Every setting of the server, also those without a flag, is DRIFTLINE_SERVE_<NAME> in the environment.

    Forms of the Redis URL: redis://host:6379/0, rediss:// for TLS, unix:///path/of.sock,
    redis+sentinel://host:26379,host:26379/service/0, redis+cluster://host:6379,host:6379. A password belongs in a file
    or in the environment: flags show in the process list.

    Then ask it: driftline scores USER, or grpcurl -plaintext localhost:PORT list.
    """
    from serving.server import serve as run

    flags = {
        "port": port,
        "host": host,
        "workers": workers,
        "redis_url": redis_url,
        "redis_password_file": redis_password_file,
        "read_from_replicas": read_from_replicas,
        "redis_timeout_ms": redis_timeout_ms,
        "serve_stale": serve_stale,
        "stale_age_s_max": stale_age_s_max,
        "in_flight_max": in_flight_max,
        "watched_users_max": watched_users_max,
        "grace_s": grace_s,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "tokens_file": tokens_file,
        "client_from_certificate": client_from_certificate,
        "log_user_ids": log_user_ids,
        "metrics_host": metrics_host,
        "metrics_port": metrics_port,
        "metrics_tls_cert": metrics_tls_cert,
        "metrics_tls_key": metrics_tls_key,
        "metrics_tls_client_ca": metrics_tls_client_ca,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    run(serve_settings(given, StackSettings.load()))


def export_scores(
    namespace: Annotated[
        str | None, typer.Option(help="Namespace to read. [default: DRIFTLINE_NAMESPACE, else the live one]")
    ] = None,
    as_of: Annotated[
        AsOf, typer.Option(help="Print the scores as of each user's newest event, or as they are served now.")
    ] = AsOf.EVENT,
) -> None:
    """Print every user's scores from Redis: one JSON line each, sorted by user, comparable with diff.

    Leaves out what differs between two runs over the same events: writtenAtMs and generation.

    As of the newest event (--as-of event), the scores follow from the events alone. As they are served (--as-of now),
    they also depend on how long nothing has come: while a user is silent, scores are computed again an hour, a day, a
    week after the newest event, or at other ages that the project declares. ageS is the age in seconds, 0 where none
    has been reached, and evaluatedAtMs is newest event + age.
    """
    from sink_connectors.score_store import RedisScoreStore, read_live_namespace

    settings = StackSettings.load()
    chosen = namespace if namespace is not None else settings.namespace
    chosen = chosen or read_live_namespace(settings.redis_address, retry_s=0)
    with closing(RedisScoreStore.connect(settings.redis_address, namespace=chosen, retry_s=0)) as store:
        for lines in export_lines(store, as_of):
            sys.stdout.write(lines)


def export_lines(store: ScoreStore, as_of: AsOf = AsOf.EVENT) -> Iterator[str]:
    """Pages of JSON lines. Holds all user ids, to sort them (some 150 MB a million), but one page of scores."""
    user_ids = sorted(set(store.user_ids()))  # by code point, which is the order of their UTF-8 bytes
    for start in range(0, len(user_ids), EXPORT_PAGE):
        lines = []
        for stored in store.read(user_ids[start : start + EXPORT_PAGE]):
            if stored is None or stored.is_tombstone:
                continue
            lines.append(_exported(stored.scores, as_of) + "\n")
        yield "".join(lines)


def _exported(scores: bytes, as_of: AsOf) -> str:
    """A stored UserScores in the proto3 JSON mapping, on one line, keys sorted: equal messages give equal lines."""
    from google.protobuf.json_format import MessageToDict

    from driftline.score_message import served, split_features
    from driftline.serving.v1.scores_pb2 import UserScores

    if as_of is AsOf.NOW:
        message = UserScores.FromString(served(scores))
        times = {"ageS": message.age_s, "evaluatedAtMs": str(evaluated_at_ms(message))}  # also where the age is 0
    else:
        message = UserScores.FromString(split_features(scores)[1])
        to_event(message)
        times = {}
    for name in ("written_at_ms", "generation", "lists_digest", "feature_values"):  # ExplainScores shows the features
        message.ClearField(name)
    return as_json(MessageToDict(message) | times)


def as_json(value: dict[str, Any]) -> str:
    """One line of JSON, keys sorted."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def check_user_ids(user_ids: list[str]) -> None:
    """Raise BadParameter, which is misuse of the command, on the first id that cannot be one."""
    from sink_connectors.score_value import check_user_id

    for user_id in user_ids:
        try:
            check_user_id(user_id)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="USER") from None
