"""TLS and mutual TLS over a real server, with certificates made here."""

from __future__ import annotations

import logging
from pathlib import Path

import grpc
import pytest
import trustme

from driftline.errors import SettingError
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from serving.tls import is_loopback, server_credentials, warn_if_exposed, warn_if_metrics_exposed
from tests.grpc_server import CALL_S, running_server
from tests.redis_server import RedisServer, wait_until
from tests.tls_files import TlsFiles


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return TlsFiles(tmp_path)


def code_of_a_call(channel: grpc.Channel, timeout_s: float = CALL_S) -> grpc.StatusCode:
    with channel, pytest.raises(grpc.RpcError) as caught:
        ScoreServiceStub(channel).GetScores(pb.GetScoresRequest(user_id="nobody"), timeout=timeout_s)
    code: grpc.StatusCode = caught.value.code()
    return code


ANSWERED = grpc.StatusCode.NOT_FOUND  # by the service: there is no such user
REFUSED = grpc.StatusCode.UNAVAILABLE  # no connection


@pytest.mark.redis
class TestServer:
    def test_tls_serves_who_trusts_it_and_no_plain_text(self, redis_server: RedisServer, files: TlsFiles) -> None:
        with running_server(redis_server.url, credentials=server_credentials(files.cert, files.key)) as client:
            assert code_of_a_call(files.channel(client.address)) is ANSWERED
            assert code_of_a_call(files.channel(client.address, authority=trustme.CA())) is REFUSED
            assert code_of_a_call(grpc.insecure_channel(client.address)) is REFUSED

    def test_mutual_tls_needs_a_certificate_of_the_authority(self, redis_server: RedisServer, files: TlsFiles) -> None:
        credentials = server_credentials(files.cert, files.key, files.client_ca)
        with running_server(redis_server.url, credentials=credentials) as client:
            assert code_of_a_call(files.channel(client.address, name="pricing")) is ANSWERED
            assert code_of_a_call(files.channel(client.address)) is REFUSED
            stranger = TlsFiles.__new__(TlsFiles)
            stranger.authority = trustme.CA()
            shown = stranger.channel(client.address, name="pricing", authority=files.authority)
            assert code_of_a_call(shown) is REFUSED

    def test_new_files_are_used_without_a_restart(self, redis_server: RedisServer, files: TlsFiles) -> None:
        credentials = server_credentials(files.cert, files.key, poll_s=0)
        with running_server(redis_server.url, credentials=credentials) as client:
            assert code_of_a_call(files.channel(client.address)) is ANSWERED
            other = trustme.CA()
            files.replace_by(other)
            wait_until(lambda: code_of_a_call(files.channel(client.address, authority=other)) is ANSWERED)
            assert code_of_a_call(files.channel(client.address)) is REFUSED

    def test_broken_new_files_leave_the_old_ones_in_use(
        self, redis_server: RedisServer, files: TlsFiles, caplog: pytest.LogCaptureFixture
    ) -> None:
        credentials = server_credentials(files.cert, files.key, poll_s=0)
        with running_server(redis_server.url, credentials=credentials) as client:
            files.cert.write_text("not a certificate")
            assert code_of_a_call(files.channel(client.address)) is ANSWERED
        assert "reload failed" in caplog.messages


class TestErrors:
    def test_name_the_setting_and_the_file(self, files: TlsFiles, tmp_path: Path) -> None:
        missing, junk = tmp_path / "missing.pem", tmp_path / "junk.pem"
        junk.write_text("junk")
        for cert, key, client_ca, setting, culprit in (
            (missing, files.key, None, "tls_cert", missing),
            (files.cert, missing, None, "tls_key", missing),
            (junk, files.key, None, "tls_cert", junk),
            (files.cert, junk, None, "tls_key", junk),
            (files.cert, files.key, missing, "tls_client_ca", missing),
            (files.cert, files.key, junk, "tls_client_ca", junk),
        ):
            with pytest.raises(SettingError) as caught:
                server_credentials(cert, key, client_ca)
            assert setting in str(caught.value) and str(culprit) in str(caught.value)

    def test_key_of_another_certificate(self, files: TlsFiles) -> None:
        files.authority.issue_cert("localhost").private_key_pem.write_to_path(str(files.key))
        with pytest.raises(SettingError, match=r"tls_cert .* and tls_key .* are not a certificate and its"):
            server_credentials(files.cert, files.key)


class TestWarning:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
    def test_loopback_is_silent(self, host: str, capsys: pytest.CaptureFixture[str]) -> None:
        warn_if_exposed(host, has_tls=False)
        assert is_loopback(host) and not capsys.readouterr().err

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "scores.example.org"])  # noqa: S104
    def test_elsewhere_without_tls_warns_once_each_way(
        self, host: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        warn_if_exposed(host, has_tls=True)
        assert not capsys.readouterr().err and not caplog.records
        warn_if_exposed(host, has_tls=False)
        assert f"WARNING: listening on {host} without TLS" in capsys.readouterr().err
        assert [record.levelno for record in caplog.records] == [logging.WARNING]

    def test_metrics_warn_where_no_certificate_is_demanded(
        self, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        warn_if_metrics_exposed("127.0.0.1", has_client_ca=False)
        warn_if_metrics_exposed("192.0.2.1", has_client_ca=True)
        assert not capsys.readouterr().err and not caplog.records
        warn_if_metrics_exposed("192.0.2.1", has_client_ca=False)
        assert "WARNING: anyone on the network can read the metrics on 192.0.2.1" in capsys.readouterr().err
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
