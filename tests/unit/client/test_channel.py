"""TLS: files, and a server that demands the client's certificate."""

from __future__ import annotations

import subprocess
from pathlib import Path

import grpc
import pytest

from driftline.client import ScoresClient, Tls, UnavailableError
from driftline.errors import InputError
from tests.fake_scores import FakeScores, fake_server, user


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for the name, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def test_mutual_tls(tmp_path: Path) -> None:
    server_cert, server_key = certificate(tmp_path, "scores.test")
    client_cert, client_key = certificate(tmp_path, "shop.test")
    fake = FakeScores()
    fake.put(user("u1"))
    credentials = grpc.ssl_server_credentials(
        [(server_key.read_bytes(), server_cert.read_bytes())], client_cert.read_bytes(), require_client_auth=True
    )
    known = Tls(ca_file=server_cert, cert_file=client_cert, key_file=client_key, server_name="scores.test")
    unknown = Tls(ca_file=server_cert, server_name="scores.test")
    with fake_server(fake, credentials=credentials) as target:
        with ScoresClient(target, tls=known, token="t0k", timeout_s=5) as client:  # noqa: S106  (of this test)
            assert client.get("u1").user_id == "u1"
        for tls in (unknown, None):
            with ScoresClient(target, tls=tls, timeout_s=5) as client, pytest.raises(UnavailableError):
                client.get("u1")
    assert [sent["authorization"] for *_, sent in fake.calls] == ["Bearer t0k"]


def test_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        Tls(ca_file=tmp_path / "nowhere").credentials()
    with pytest.raises(InputError, match="key_file"):
        Tls(cert_file=tmp_path / "cert.pem").credentials()
