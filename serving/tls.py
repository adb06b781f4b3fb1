"""TLS and mutual TLS from PEM files that may be replaced while the server runs."""

from __future__ import annotations

import ipaddress
import logging
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import grpc

from driftline.errors import SettingError
from driftline.pem import read_authority, read_pair
from serving.logs import log_event
from serving.reloaded import POLL_S, Reloaded

log = logging.getLogger(__name__)


class _Pem(NamedTuple):
    cert: bytes
    key: bytes
    client_ca: bytes | None


def server_credentials(
    cert: Path, key: Path, client_ca: Path | None = None, *, poll_s: float = POLL_S
) -> grpc.ServerCredentials:
    """Credentials of a server; with `client_ca` a client must show a certificate of that authority.

    The files are looked at when a client connects, at most once a `poll_s`. Connections that exist keep what they
    began with. Raises SettingError where the files cannot be used.
    """
    paths = [path for path in (cert, key, client_ca) if path is not None]
    files = Reloaded(paths, lambda: _read(cert, key, client_ca), poll_s=poll_s)
    shown = files.get()

    def newer() -> grpc.ServerCertificateConfiguration | None:
        # gRPC calls it for each new connection, on a thread of its own, and uses up what it is given.
        nonlocal shown
        if (newest := files.get()) is shown:
            return None
        shown = newest
        return _configuration(newest)

    return grpc.dynamic_ssl_server_credentials(_configuration(shown), newer, client_ca is not None)


def metrics_tls(
    cert: Path | None, key: Path | None, client_ca: Path | None = None, *, poll_s: float = POLL_S
) -> Callable[[], ssl.SSLContext] | None:
    """What the metrics' connections are encrypted with now; None for plain text.

    The files are looked at when Prometheus connects, at most once a `poll_s`. Raises SettingError where they cannot be
    used.
    """
    if cert is None or key is None:
        return None
    paths = [path for path in (cert, key, client_ca) if path is not None]
    return Reloaded(paths, lambda: _metrics_context(cert, key, client_ca), poll_s=poll_s).get


def _metrics_context(cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    names = ("metrics_tls_cert", "metrics_tls_key")
    read_pair(names, cert, key, SettingError)
    if client_ca is not None:
        read_authority("metrics_tls_client_ca", client_ca, SettingError)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # replaced since they were looked at
        message = f"{' and '.join(names)} cannot be used: {error}"
        raise SettingError(message) from None
    return context


def warn_if_exposed(host: str, *, has_tls: bool) -> None:
    """Say loudly, in the log and in plain words on stderr, that scores and tokens can be read on the network."""
    if has_tls or is_loopback(host):
        return
    log_event(log, "listening without TLS", level=logging.WARNING, host=host, settings=["tls_cert", "tls_key"])
    warning = f"WARNING: listening on {host} without TLS: anyone on the network can read scores and tokens"
    print(f"driftline: {warning}; set tls_cert and tls_key, or listen on 127.0.0.1", file=sys.stderr)


def warn_if_metrics_exposed(host: str, *, has_client_ca: bool) -> None:
    """Say the same of the metrics: only a demanded client certificate keeps them from others on the network."""
    if has_client_ca or is_loopback(host):
        return
    settings = ["metrics_tls_client_ca", "metrics_tls_cert", "metrics_tls_key"]
    log_event(log, "metrics for all", level=logging.WARNING, host=host, settings=settings)
    warning = f"WARNING: anyone on the network can read the metrics on {host}"
    print(f"driftline: {warning}; set {' and '.join(settings)}, or listen on 127.0.0.1", file=sys.stderr)


def is_loopback(host: str) -> bool:
    """Whether the address can be reached from this machine alone. A name other than localhost counts as reachable."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _configuration(pem: _Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.cert)], pem.client_ca)


def _read(cert: Path, key: Path, client_ca: Path | None) -> _Pem:
    cert_pem, key_pem = read_pair(("tls_cert", "tls_key"), cert, key, SettingError)
    return _Pem(
        cert_pem, key_pem, None if client_ca is None else read_authority("tls_client_ca", client_ca, SettingError)
    )
