"""Certificates and keys in PEM files, checked before they are used.

gRPC takes any bytes, and then fails at each handshake without saying why; OpenSSL says what is wrong, and with which.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from driftline.errors import DriftlineError


def read_pair(names: tuple[str, str], cert: Path, key: Path, error: type[DriftlineError]) -> tuple[bytes, bytes]:
    """The content of a certificate chain and of its key. Raises `error`, with the names of both settings."""
    cert_pem, key_pem = _read(names[0], cert, error), _read(names[1], key, error)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as reason:  # ssl.SSLError is an OSError
        pair = f"{names[0]} {cert} and {names[1]} {key}"
        message = f"{pair} are not a certificate and its unencrypted key in PEM: {reason}"
        raise error(message) from None
    return cert_pem, key_pem


def read_authority(name: str, path: Path, error: type[DriftlineError]) -> bytes:
    """The content of a file with certificates of authorities. Raises `error`, with the name of the setting."""
    pem = _read(name, path, error)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except (OSError, ValueError) as reason:
        message = f"{name} {path} has no certificate in PEM: {reason}"
        raise error(message) from None
    return pem


def _read(name: str, path: Path, error: type[DriftlineError]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as reason:
        message = f"{name} {path} cannot be read: {reason.strerror or reason}"
        raise error(message) from None


def _no_password() -> bytes:
    message = "the key is encrypted"
    raise ValueError(message)
