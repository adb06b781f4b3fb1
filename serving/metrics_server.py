"""Answers Prometheus for all workers of the server, with the certificates that are there now."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.multiprocess import MultiProcessCollector

from driftline.errors import StackError
from serving.logs import log_event

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it at import and when it makes values
CONNECTION_S = 10.0  # for a handshake, a request, an answer to be taken: each connection holds a thread

TlsContext = Callable[[], ssl.SSLContext]

log = logging.getLogger(__name__)


@contextmanager
def metrics_endpoint(host: str, port: int, tls: TlsContext | None = None) -> Iterator[str]:
    """Answer Prometheus at this address, on threads, with the numbers of all workers started meanwhile.

    `tls` is asked for each connection. Yields the address; port 0 takes a free one. Raises StackError where the port is
    taken.
    """
    with tempfile.TemporaryDirectory(prefix="driftline-metrics-") as folder:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # not annotated there
        with _listening(host, port, tls) as server:
            server.set_app(make_wsgi_app(registry))
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            os.environ[FOLDER_VARIABLE] = folder  # prometheus_client takes it from nowhere else; workers inherit it
            try:
                yield f"{host}:{server.server_port}"
            finally:
                os.environ.pop(FOLDER_VARIABLE, None)
                server.shutdown()
                thread.join()


def _listening(host: str, port: int, tls: TlsContext | None) -> _Server:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _Server(family, (str(address[0]), port), tls)
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror or error}"
        message += "; DRIFTLINE_SERVE_METRICS_PORT and _METRICS_HOST say where"
        raise StackError(message) from None


class _Handler(WSGIRequestHandler):
    timeout = CONNECTION_S

    def log_message(self, *_: Any) -> None:
        """A scrape is not worth a line."""


class _Server(ThreadingWSGIServer):
    def __init__(self, family: int, address: tuple[str, int], tls: TlsContext | None) -> None:
        self.address_family = family
        self._tls = tls
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection. It shakes hands on its own thread: one that says nothing must not keep out others."""
        connection, peer = super().get_request()
        if self._tls is not None:
            connection = self._tls().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, peer

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """Log a line, where the standard library would print a traceback."""
        log_event(log, "metrics connection failed", peer=str(client_address[0]), reason=str(sys.exc_info()[1]))
