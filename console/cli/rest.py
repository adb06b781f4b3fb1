"""`driftline rest`: scores over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from console.settings import StackSettings


def rest(
    port: Annotated[
        int, typer.Option(min=0, max=65535, envvar="DRIFTLINE_REST_PORT", help="Port; 0 takes a free one.")
    ] = 8080,
    host: Annotated[str, typer.Option(envvar="DRIFTLINE_REST_HOST", help="Address to listen on.")] = "127.0.0.1",
    timeout_s: Annotated[
        float, typer.Option(min=0.01, max=60, help="Deadline of each call of the gRPC server, in seconds.")
    ] = 0.5,
    connections_max: Annotated[
        int,
        typer.Option(min=1, envvar="DRIFTLINE_REST_CONNECTIONS_MAX", help="Connections; one more is closed at once."),
    ] = 1_000,
    watches_max: Annotated[
        int,
        typer.Option(
            min=0,
            envvar="DRIFTLINE_REST_WATCHES_MAX",
            help="Watches at a time; one more is 429. They share a connection with all calls, whose streams the gRPC "
            "server bounds (200).",
        ),
    ] = 100,
) -> None:
    """Serve scores as JSON over HTTP until SIGTERM or Ctrl-C, by asking the gRPC server at DRIFTLINE_GRPC_TARGET.

    GET /openapi.json describes it. Callers' Authorization headers go on to the gRPC server. It speaks no TLS itself:
    put what ends TLS for your other HTTP services in front of it.
    """
    from console.cli.calling import client_options  # other commands start without its libraries
    from driftline.client import AsyncScoresClient
    from serving import logs
    from serving.rest.limits import Limits
    from serving.rest.server import serve
    from serving.tls import is_loopback

    target = StackSettings.load().grpc_address
    options = client_options(
        timeout_s=timeout_s, with_token=False
    )  # a caller without a token must not get the rights of the gateway's own token
    logs.configure()
    if not is_loopback(host):
        typer.echo(f"driftline: WARNING: scores and tokens are in clear text on {host}; put TLS in front", err=True)
    serve(
        lambda: AsyncScoresClient(target, **options),
        host=host,
        port=port,
        target=target,
        first_s=timeout_s,
        limits=Limits(connections_max=connections_max, watches_max=watches_max),
    )
