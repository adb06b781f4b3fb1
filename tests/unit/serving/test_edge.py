"""`driftline serve` with everything on: TLS, certificates, tokens, audit, metrics and traces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from driftline.errors import SettingError
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from serving.audit import UserIds
from serving.auth import Client, new_token, toml_of
from serving.edge import prepared
from serving.settings import ServeSettings
from serving.tls import is_loopback
from tests.grpc_server import CALL_S
from tests.redis_server import RedisServer, wait_until
from tests.tls_files import TlsFiles

REPOSITORY = Path(__file__).parents[3]
SECRET = "of this deployment"  # noqa: S105


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An OpenTelemetry collector: its address, and what was posted to it."""
    posted: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.path.encode() + b" " + self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", posted
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.redis
def test_all_at_once(redis_server: RedisServer, tmp_path: Path) -> None:
    files, (token, digest) = TlsFiles(tmp_path), new_token()
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(toml_of(Client(name="pricing", tokens_sha256=(digest,), methods=frozenset({"ExplainScores"}))))
    given = {"tls_cert": files.cert, "tls_key": files.key, "tls_client_ca": files.client_ca, "tokens_file": tokens}
    flags = [text for name, path in given.items() for text in (f"--{name.replace('_', '-')}", str(path))]
    with collector() as (endpoint, posted):
        environment = os.environ | {
            "DRIFTLINE_REDIS_URL": redis_server.url,
            "DRIFTLINE_SERVE_LOG_SECRET": SECRET,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "PYTHONPATH": str(REPOSITORY),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "console.cli", "serve", "--port", "0", "--metrics-port", "0", *flags],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr
            at: dict[str, str] = {}
            while "listening" not in at:
                event = json.loads(process.stderr.readline())
                at[event["event"]] = event.get("address", "")
            with files.channel(at["listening"], name="someone") as channel:
                for metadata, code in (
                    ([], grpc.StatusCode.UNAUTHENTICATED),
                    ([("authorization", f"Bearer {token}")], grpc.StatusCode.NOT_FOUND),
                ):
                    with pytest.raises(grpc.RpcError) as caught:
                        request = pb.ExplainScoresRequest(user_id="jane-doe")
                        ScoreServiceStub(channel).ExplainScores(request, timeout=CALL_S, metadata=metadata)
                    assert caught.value.code() is code
            with urllib.request.urlopen(f"http://{at['metrics']}/metrics", timeout=10) as answer:
                assert b'driftline_serving_rejected_calls_total{reason="unauthenticated"} 1.0' in answer.read()
        finally:
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=30)
        wait_until(lambda: bool(posted))  # the last spans were sent at the shutdown
    assert process.returncode == 0
    audited = [line for line in map(json.loads, rest.splitlines()) if line["logger"] == "driftline.audit"]
    assert [line["client"] for line in audited] == ["", "pricing"]
    assert {line["user"] for line in audited} == {UserIds(secret=SECRET).shown("jane-doe")}
    assert posted[0].startswith(b"/v1/traces ") and b"ExplainScores" in posted[0] and b"MGET" in posted[0]
    assert b"jane-doe" not in posted[0] and "jane-doe" not in rest


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tls_cert": "a.pem"}, "tls_cert needs tls_key"),
        ({"tls_key": "a.pem"}, "tls_key needs tls_cert"),
        ({"tls_client_ca": "a.pem"}, "tls_client_ca needs tls_cert"),
        ({"metrics_tls_cert": "a.pem"}, "metrics_tls_cert needs metrics_tls_key"),
        ({"metrics_tls_key": "a.pem"}, "metrics_tls_key needs metrics_tls_cert"),
        ({"metrics_tls_client_ca": "a.pem"}, "metrics_tls_client_ca needs metrics_tls_cert"),
        ({"client_from_certificate": True}, "client_from_certificate needs tls_client_ca"),
        (
            {"client_from_certificate": True, "tls_cert": "a", "tls_key": "b", "tls_client_ca": "c"},
            "client_from_certificate needs tokens_file",
        ),
    ],
)
def test_settings_that_need_each_other(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        ServeSettings.load(**given)


def test_secret_does_not_show_in_the_settings() -> None:
    assert SECRET not in repr(ServeSettings.load(log_secret=SECRET))


def test_metrics_are_for_this_machine_by_default_and_elsewhere_loud(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with prepared(ServeSettings.load(metrics_port=0)):
        assert is_loopback(ServeSettings.load().metrics_host) and not capsys.readouterr().err
    with prepared(ServeSettings.load(metrics_port=0, metrics_host="0.0.0.0")):  # noqa: S104
        assert "WARNING: anyone on the network can read the metrics on 0.0.0.0" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_file_that_cannot_be_used_ends_the_command_with_one_line(tmp_path: Path, workers: str) -> None:
    missing = tmp_path / "missing.toml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "console.cli", "serve"),
            *("--port", "0", "--workers", workers, "--tokens-file", str(missing)),
        ],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"driftline: tokens_file {missing} cannot be used: ")
