"""What stands between the network and ScoreService, as the settings ask: TLS, access, audit, metrics and traces."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import grpc

from serving import tracing
from serving.audit import UserIds, audit
from serving.auth import Access, read_clients
from serving.logs import log_event
from serving.middleware import Middleware
from serving.observer import Observer
from serving.reader import ScoreReader
from serving.requests import requested_namespace
from serving.settings import ServeSettings
from serving.tls import metrics_tls, server_credentials, warn_if_exposed, warn_if_metrics_exposed

log = logging.getLogger(__name__)


@dataclass
class Edge:
    """For one worker's ScoreServer. The middlewares are in order, the outermost first."""

    credentials: grpc.ServerCredentials | None = None
    middlewares: list[Middleware] = field(default_factory=list)
    observer: Observer = field(default_factory=Observer)
    # A subclass where there are traces: a span is around a read, while an observer hears of its end alone.
    reader: type[ScoreReader] = ScoreReader


@contextmanager
def prepared(settings: ServeSettings) -> Iterator[None]:
    """Do what is done once for all workers, in the process that starts them or is the only one.

    Checks the files, so that a broken one is one clear error and not one for each worker; warns; answers Prometheus for
    all workers that are started meanwhile. Raises SettingError and StackError.
    """
    _credentials(settings)
    if settings.tokens_file is not None:
        read_clients(settings.tokens_file)
    warn_if_exposed(settings.host, has_tls=settings.tls_cert is not None)
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            from serving.metrics_server import metrics_endpoint  # noqa: PLC0415  (not loaded where it is off)

            tls = metrics_tls(settings.metrics_tls_cert, settings.metrics_tls_key, settings.metrics_tls_client_ca)
            warn_if_metrics_exposed(settings.metrics_host, has_client_ca=settings.metrics_tls_client_ca is not None)
            address = stack.enter_context(metrics_endpoint(settings.metrics_host, settings.metrics_port, tls))
            log_event(log, "metrics", address=address)
        yield


@contextmanager
def edge_of(settings: ServeSettings, worker: int) -> Iterator[Edge]:
    """The edge of a worker; on leaving, the last spans are sent. Raises SettingError where a file cannot be used."""
    edge = Edge(_credentials(settings))
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            from serving.telemetry import Telemetry  # noqa: PLC0415  (not loaded where it is off)

            telemetry = Telemetry(worker)
            edge.observer = telemetry
            edge.middlewares.append(telemetry.middleware)
        if tracing.is_on(os.environ):
            traces = tracing.Tracing(tracing.exporting_provider())
            stack.callback(traces.close)
            edge.middlewares.append(traces.middleware())
            edge.reader = traces.reader()
        edge.middlewares.extend(_access(settings))
        yield edge


def _credentials(settings: ServeSettings) -> grpc.ServerCredentials | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return server_credentials(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def _access(settings: ServeSettings) -> list[Middleware]:
    user_ids = UserIds(secret=settings.log_secret.get_secret_value(), plain=settings.log_user_ids)
    log_event(log, "user ids in logs", shown_as=user_ids.shown_as)
    middlewares = [audit(user_ids, requested_namespace)]
    if settings.tokens_file is not None:
        access = Access(settings.tokens_file, requested_namespace, by_certificate=settings.client_from_certificate)
        middlewares.append(access.middleware)
    return middlewares
