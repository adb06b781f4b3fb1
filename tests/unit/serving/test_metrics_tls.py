"""The metrics endpoint with TLS and mutual TLS, with certificates made here."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from driftline.errors import SettingError
from serving.metrics_server import metrics_endpoint
from serving.tls import metrics_tls
from tests.redis_server import wait_until
from tests.tls_files import TlsFiles


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return TlsFiles(tmp_path)


def scrape(address: str, context: ssl.SSLContext) -> int:
    url = f"https://localhost:{address.rpartition(':')[2]}/metrics"
    with urllib.request.urlopen(url, timeout=5, context=context) as answer:
        return int(answer.status)


def test_answers_who_trusts_it_and_no_plain_text(files: TlsFiles, caplog: pytest.LogCaptureFixture) -> None:
    trusting = ssl.create_default_context(cafile=files.client_ca)
    with metrics_endpoint("127.0.0.1", 0, metrics_tls(files.cert, files.key)) as address:
        assert scrape(address, trusting) == 200
        with pytest.raises(urllib.error.URLError):
            scrape(address, ssl.create_default_context())
        with caplog.at_level(logging.INFO), pytest.raises(OSError):
            urllib.request.urlopen(f"http://{address}/metrics", timeout=5)
        wait_until(lambda: "metrics connection failed" in caplog.messages)  # a line, not a traceback


def test_mutual_tls_needs_a_certificate_of_the_authority(files: TlsFiles, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with metrics_endpoint("127.0.0.1", 0, metrics_tls(files.cert, files.key, files.client_ca)) as address:
        for shown, answered in ((files, True), (TlsFiles(tmp_path / "other"), False), (None, False)):
            context = ssl.create_default_context(cafile=files.client_ca)
            if shown is not None:
                context.load_cert_chain(*shown.client_files("prometheus"))
            if answered:
                assert scrape(address, context) == 200
            else:
                with pytest.raises(OSError):
                    scrape(address, context)


def test_silent_connection_keeps_no_one_out(files: TlsFiles) -> None:
    with (
        metrics_endpoint("127.0.0.1", 0, metrics_tls(files.cert, files.key)) as address,
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))),
    ):
        assert scrape(address, ssl.create_default_context(cafile=files.client_ca)) == 200


def test_renewed_certificates_are_used_for_the_next_connection(files: TlsFiles, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = TlsFiles(tmp_path / "other")

    def scrape_as(client: TlsFiles, server: TlsFiles) -> int:
        context = ssl.create_default_context(cadata=server.authority.cert_pem.bytes().decode())
        context.load_cert_chain(*client.client_files("prometheus"))
        return scrape(address, context)

    tls = metrics_tls(files.cert, files.key, files.client_ca, poll_s=0)
    with metrics_endpoint("127.0.0.1", 0, tls) as address:
        assert scrape_as(files, files) == 200
        shutil.copy(other.client_ca, files.client_ca)
        files.replace_by(other.authority)
        assert scrape_as(other, other) == 200
        with pytest.raises(OSError):
            scrape_as(files, other)


def test_broken_renewal_leaves_the_old_ones(files: TlsFiles, caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.create_default_context(cafile=files.client_ca)
    with metrics_endpoint("127.0.0.1", 0, metrics_tls(files.cert, files.key, poll_s=0)) as address:
        files.cert.write_text("nothing")
        assert scrape(address, context) == 200
    assert "reload failed" in caplog.messages


def test_files_that_cannot_be_used(files: TlsFiles, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    for given, name in (
        ((missing, files.key), "metrics_tls_cert"),
        ((files.cert, missing), "metrics_tls_key"),
        ((files.cert, files.key, missing), "metrics_tls_client_ca"),
    ):
        with pytest.raises(SettingError, match=f"{name} .*missing"):
            metrics_tls(*given)


@pytest.mark.parametrize("sent", [b"", b"GET /met"])
def test_connection_that_says_nothing_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.metrics_server._Handler.timeout", 0.1)
    with metrics_endpoint("127.0.0.1", 0) as address:
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)
            while connection.recv(1_000):
                pass
