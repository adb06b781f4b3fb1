"""Both faces of the client, and the commands that use it, against the real server with TLS, mutual TLS and tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import typer
from typer.testing import CliRunner

from console.cli import app as driftline
from console.cli import ask as commands
from driftline import client as c
from driftline.client import Tls
from driftline.errors import InputError, SettingError
from serving.tls import server_credentials
from sink_connectors.score_store import RedisScoreStore
from tests.client_faces import FACES, Ask, Watching
from tests.grpc_server import running_server
from tests.redis_server import RedisServer, wait_until
from tests.secured_server import AUDITOR, BY_CERTIFICATE, READER, Secured, secured_server
from tests.stored import stored_user
from tests.tls_files import TlsFiles

LONG_S = 5.0

app = typer.Typer()
app.command()(commands.scores)


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as redis:
        store = RedisScoreStore.connect(redis.url)
        store.write([stored_user("u1")], None)
        store.close()
        yield redis


@pytest.fixture(scope="module")
def secured(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_server(redis_server.url, tmp_path_factory.mktemp("secured")) as running:
        yield running


@pytest.fixture(params=FACES)
def ask(request: pytest.FixtureRequest) -> Ask:
    return FACES[request.param]


def settled(ask: Ask, secured: Secured, method: str, *arguments: Any, **client: Any) -> Any:
    """The answer, or the name of the status."""
    options = {"tls": secured.tls, "timeout_s": LONG_S} | client
    try:
        return ask(secured.address, method, *arguments, client=options)
    except c.ScoresError as error:
        return error.code


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def target(redis_server: RedisServer, files: TlsFiles) -> Iterator[str]:
    with running_server(redis_server.url, credentials=server_credentials(files.cert, files.key)) as client:
        yield client.address


@pytest.mark.redis
class TestTls:
    def test_needs_no_certificate_of_the_client(self, target: str, files: TlsFiles, ask: Ask) -> None:
        options = {"tls": Tls(ca_file=files.client_ca), "timeout_s": LONG_S}
        assert ask(target, "get", "u1", client=options).scores["engagement"] == 0.74
        assert len(ask(target, "batch", ["u1", "nobody"], client=options)) == 2

    def test_server_under_another_name(self, target: str, files: TlsFiles, ask: Ask) -> None:
        for name, answered in (("localhost", True), ("scores.example.org", False)):
            options = {"tls": Tls(ca_file=files.client_ca, server_name=name), "timeout_s": LONG_S}
            if answered:
                assert ask(target, "get", "u1", client=options).user_id == "u1"
            else:
                with pytest.raises(c.UnavailableError, match=r"scores\.example\.org"):
                    ask(target, "get", "u1", client=options)

    def test_server_that_is_not_trusted_gets_no_token(self, target: str, tmp_path: Path, ask: Ask) -> None:
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        for tls in (Tls(ca_file=other), Tls(), None):
            with pytest.raises(c.UnavailableError):
                ask(target, "get", "u1", client={"tls": tls, "token": READER[0], "timeout_s": LONG_S})


@pytest.mark.redis
class TestMutualTlsAndTokens:
    def test_rights_of_the_token(self, secured: Secured, ask: Ask) -> None:
        for token, method, expected in (
            (READER[0], "get", "OK"),
            (lambda: READER[0], "get", "OK"),
            (READER[0], "explain", "PERMISSION_DENIED"),
            (AUDITOR[0], "explain", "OK"),
            ("wrong", "get", "UNAUTHENTICATED"),
            ("", "get", "UNAUTHENTICATED"),
        ):
            answer = settled(ask, secured, method, "u1", token=token)
            assert (answer if isinstance(answer, str) else "OK") == expected, (method, expected)

    def test_certificate_of_a_client(self, secured: Secured, ask: Ask) -> None:
        tls = secured.tls_as(BY_CERTIFICATE)
        assert settled(ask, secured, "get", "u1", tls=tls).user_id == "u1"
        assert settled(ask, secured, "batch", ["u1"], tls=tls) == "PERMISSION_DENIED"
        assert settled(ask, secured, "get", "u1", tls=tls, token="wrong") == "UNAUTHENTICATED"  # noqa: S106

    def test_no_certificate(self, secured: Secured, ask: Ask) -> None:
        tls = Tls(ca_file=secured.files.client_ca)
        assert settled(ask, secured, "get", "u1", tls=tls, token=READER[0]) == "UNAVAILABLE"

    @pytest.mark.parametrize("face", FACES)
    def test_watch_ends_within_two_seconds_of_a_revocation(self, secured: Secured, face: str) -> None:
        watching = Watching(face, secured.address, ["u1"], tls=secured.tls, token=AUDITOR[0])
        wait_until(lambda: len(watching.seen) == 1)
        with secured.revoked("auditor"):
            wait_until(watching.ended, timeout_s=2 + 1)  # 1 for a loaded machine
        assert isinstance(watching.error, c.UnauthenticatedError)


class TestMisuse:
    @pytest.mark.parametrize("token", ["from-a-file\n", "é", "a\0b"])
    def test_token_that_cannot_be_sent_is_not_shown(self, ask: Ask, token: str) -> None:
        with pytest.raises(c.InvalidRequestError, match="token must be printable ASCII") as caught:
            ask("127.0.0.1:1", "get", "u1", client={"token": token})
        assert token not in str(caught.value)

    def test_files_that_cannot_be_used(self, ask: Ask, tmp_path: Path) -> None:
        files = TlsFiles(tmp_path)
        cert, key = files.client_files("shop")
        junk, other_key = tmp_path / "junk.pem", files.client_files("other")[1]
        junk.write_text("junk")
        for tls, name, culprit in (
            (Tls(ca_file=junk), "ca_file", junk),
            (Tls(cert_file=junk, key_file=key), "cert_file", junk),
            (Tls(cert_file=cert, key_file=junk), "key_file", junk),
            (Tls(cert_file=cert, key_file=other_key), "key_file", other_key),
            (Tls(cert_file=cert, key_file=tmp_path / "none"), "key_file", tmp_path / "none"),
        ):
            with pytest.raises(InputError) as caught:
                ask("127.0.0.1:1", "get", "u1", client={"tls": tls})
            assert name in str(caught.value) and str(culprit) in str(caught.value)

    def test_key_without_certificate(self, ask: Ask, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="belong together"):
            ask("127.0.0.1:1", "get", "u1", client={"tls": Tls(key_file=tmp_path / "a.key")})


@pytest.mark.redis
def test_scores_command(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "GRPC_TARGET": secured.address,
        "CLIENT_CA_FILE": secured.tls.ca_file,
        "CLIENT_CERT_FILE": secured.tls.cert_file,
        "CLIENT_KEY_FILE": secured.tls.key_file,
        "CLIENT_TOKEN": READER[0],
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"DRIFTLINE_{name}", str(value))
    assert CliRunner().invoke(app, ["u1"]).exit_code == 0
    refused = CliRunner().invoke(app, ["u1", "--explain"])
    assert isinstance(refused.exception, c.PermissionDeniedError)
    monkeypatch.delenv("DRIFTLINE_CLIENT_CA_FILE")
    monkeypatch.delenv("DRIFTLINE_CLIENT_CERT_FILE")
    refused = CliRunner().invoke(app, ["u1"])
    assert isinstance(refused.exception, SettingError)  # a key alone must not mean: no TLS at all
    assert "DRIFTLINE_CLIENT_CERT_FILE" in str(refused.exception)


@pytest.mark.parametrize("command", [["scores", "u1"], ["rest", "--port", "0"]])
def test_commands_name_the_file_that_cannot_be_used(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DRIFTLINE_CLIENT_CA_FILE", str(tmp_path / "none.pem"))
    refused = CliRunner().invoke(driftline, command)
    assert isinstance(refused.exception, SettingError)
    assert re.match(r"DRIFTLINE_CLIENT_\*: ca_file .*none\.pem cannot be read", str(refused.exception))
