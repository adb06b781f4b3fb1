"""A real score server with mutual TLS and tokens, as `driftline serve` makes it, and what its clients need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driftline.client import ScoresClient, Tls, UnauthenticatedError
from serving.auth import Client, new_token, toml_of
from serving.edge import edge_of
from serving.settings import ServeSettings
from tests.grpc_server import CALL_S, running_server
from tests.redis_server import wait_until
from tests.tls_files import TlsFiles

READER, AUDITOR = new_token(), new_token()  # token and hash
BY_CERTIFICATE = "by-certificate"  # a client of the file that has no token


class Secured:
    """Its files, and its address once it runs."""

    def __init__(self, folder: Path) -> None:
        self.files = TlsFiles(folder)
        self.tokens = folder / "tokens.toml"
        self.allow("reader", "auditor", BY_CERTIFICATE)
        self.address = ""
        cert, key = self.files.client_files("stranger")  # of the authority, but no client of the file
        self.tls = Tls(ca_file=self.files.client_ca, cert_file=cert, key_file=key)

    def allow(self, *names: str) -> None:
        """Replace the tokens file by one with these clients."""
        rights = {"reader": (READER[1:], {"GetScores", "BatchGetScores"}), "auditor": (AUDITOR[1:], {"*"})}
        entries = []
        for name in names:
            hashes, methods = rights.get(name, ((), {"GetScores"}))
            entries.append(toml_of(Client(name=name, tokens_sha256=hashes, methods=frozenset(methods))))
        new = self.tokens.with_suffix(".new")
        new.write_text("\n".join(entries))
        os.replace(new, self.tokens)

    @contextmanager
    def revoked(self, name: str) -> Iterator[None]:
        """Meanwhile the file is without this client; afterwards the server knows all of them again."""
        everyone = ("reader", "auditor", BY_CERTIFICATE)
        self.allow(*(client for client in everyone if client != name))
        try:
            yield
        finally:
            self.allow(*everyone)
            with ScoresClient(self.address, tls=self.tls, token=AUDITOR[0], timeout_s=CALL_S) as client:
                wait_until(lambda: _is_known(client))

    def tls_as(self, name: str) -> Tls:
        """The client's side, with a certificate of this common name."""
        cert, key = self.files.client_files(name)
        return Tls(ca_file=self.files.client_ca, cert_file=cert, key_file=key)


def _is_known(client: ScoresClient) -> bool:
    try:
        client.batch([])
    except UnauthenticatedError:
        return False
    return True


@contextmanager
def secured_server(redis_url: str, folder: Path) -> Iterator[Secured]:
    made = Secured(folder)
    given = {
        "tls_cert": made.files.cert,
        "tls_key": made.files.key,
        "tls_client_ca": made.files.client_ca,
        "tokens_file": made.tokens,
        "client_from_certificate": True,
    }
    with (
        edge_of(ServeSettings.load(redis_url=redis_url, **given), 0) as edge,
        running_server(redis_url, credentials=edge.credentials, middlewares=edge.middlewares) as client,
    ):
        made.address = client.address
        yield made
