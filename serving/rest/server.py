"""Runs the REST gateway."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable

import uvicorn

from driftline.client import AsyncScoresClient
from driftline.errors import StackError
from serving.logs import log_event
from serving.rest.app import create_app
from serving.rest.limits import HEAD_BYTES_MAX, Limits, protocol

GRACE_S = 5  # how long running requests may take at a shutdown
BACKLOG = 1024

log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises StackError where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]  # Python repeats the address there
        where = "DRIFTLINE_REST_PORT sets another port, DRIFTLINE_REST_HOST another address"
        message = f"cannot listen on {host}:{port}: {reason}; {where}"
        raise StackError(message) from None


def rest_server(
    connect: Callable[[], AsyncScoresClient], *, first_s: float, limits: Limits | None = None
) -> uvicorn.Server:
    """The server, not started. It writes no access log: paths hold user ids."""
    limits = limits or Limits()
    config = uvicorn.Config(
        create_app(connect, first_s=first_s, limits=limits),
        http=protocol(limits),
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def serve(
    connect: Callable[[], AsyncScoresClient], *, host: str, port: int, target: str, first_s: float, limits: Limits
) -> None:
    """Serve until SIGTERM or SIGINT. Called by the command line, in the main thread."""
    server = rest_server(connect, first_s=first_s, limits=limits)

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    with listen(host, port) as listening:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)  # uvicorn, when it has stopped, raises the signal again, which would kill
        bound_host, bound_port = listening.getsockname()[:2]
        log_event(log, "listening", address=f"{bound_host}:{bound_port}", grpc=target)
        server.run(sockets=[listening])
