"""Certificates for tests, as files."""

from __future__ import annotations

from pathlib import Path

import grpc
import trustme


class TlsFiles:
    """A server's certificate and key below `folder`, and the authority that made them."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.cert, self.key, self.client_ca = folder / "cert.pem", folder / "key.pem", folder / "client-ca.pem"
        self.authority.cert_pem.write_to_path(str(self.client_ca))
        self.renew()

    def renew(self) -> None:
        """Replace certificate and key by new ones of the same authority."""
        self.replace_by(self.authority)

    def replace_by(self, authority: trustme.CA) -> None:
        """Replace certificate and key by ones that another authority made."""
        made = authority.issue_cert("localhost", "127.0.0.1")
        made.cert_chain_pems[0].write_to_path(str(self.cert))
        made.private_key_pem.write_to_path(str(self.key))

    def client_files(self, name: str) -> tuple[Path, Path]:
        """A certificate with this common name, and its key, of the same authority."""
        own = self.authority.issue_cert(f"{name}@example.org", common_name=name)
        cert, key = self.cert.with_name(f"{name}.pem"), self.cert.with_name(f"{name}.key")
        own.cert_chain_pems[0].write_to_path(str(cert))
        own.private_key_pem.write_to_path(str(key))
        return cert, key

    def channel(self, address: str, *, name: str = "", authority: trustme.CA | None = None) -> grpc.Channel:
        """A client that trusts the authority, and shows a certificate with this common name where one is given."""
        trusted = (authority or self.authority).cert_pem.bytes()
        if not name:
            return grpc.secure_channel(address, grpc.ssl_channel_credentials(trusted))
        own = self.authority.issue_cert(f"{name}@example.org", common_name=name)
        credentials = grpc.ssl_channel_credentials(trusted, own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
        return grpc.secure_channel(address, credentials)
