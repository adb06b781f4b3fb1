"""The REST gateway before the real server with mutual TLS and tokens: whose rights a caller has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sink_connectors.score_store import RedisScoreStore
from tests.redis_server import RedisServer
from tests.rest_gateway import CALL_S, rest_gateway
from tests.secured_server import AUDITOR, BY_CERTIFICATE, READER, Secured, secured_server
from tests.stored import stored_user

REPOSITORY = Path(__file__).parents[3]
PATHS = {
    "get": "/v1/users/u1/scores",
    "explain": "/v1/users/u1/scores:explain",
    "watch": "/v1/scores:watch?userId=u1",
}

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with RedisServer() as redis, secured_server(redis.url, tmp_path_factory.mktemp("secured")) as running:
        store = RedisScoreStore.connect(redis.url)
        store.write([stored_user("u1")], None)
        store.close()
        yield running


@pytest.fixture(scope="module", params=["stranger", BY_CERTIFICATE])
def gateway(secured: Secured, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A gateway whose own certificate has no rights, and one whose certificate has some: it must make no difference."""
    with rest_gateway(secured.address, tls=secured.tls_as(request.param), timeout_s=CALL_S) as client:
        yield client


@pytest.mark.parametrize(
    ("header", "statuses"),
    [
        (None, {"get": 401, "explain": 401, "watch": 401}),
        ("", {"get": 401, "explain": 401, "watch": 401}),
        ("Bearer", {"get": 401, "explain": 401, "watch": 401}),
        ("Bearer wrong", {"get": 401, "explain": 401, "watch": 401}),
        ("Basic " + AUDITOR[0], {"get": 401, "explain": 401, "watch": 401}),
        ("Bearer " + READER[0], {"get": 200, "explain": 403, "watch": 403}),
        ("bearer " + AUDITOR[0], {"get": 200, "explain": 200, "watch": 200}),
    ],
    ids=["none", "empty", "no token", "wrong", "basic", "reader", "auditor"],
)
def test_caller_has_the_rights_of_its_own_token(
    gateway: httpx.Client, header: str | None, statuses: dict[str, int]
) -> None:
    for name, path in PATHS.items():
        with gateway.stream("GET", path, headers={} if header is None else {"Authorization": header}) as response:
            assert (name, response.status_code) == (name, statuses[name])
            if response.status_code == 401:
                assert response.headers["www-authenticate"] == "Bearer"


def test_batch(gateway: httpx.Client) -> None:
    asked = {"userIds": ["u1", "nobody"]}
    answers = [
        gateway.post("/v1/scores:batchGet", json=asked, headers={"Authorization": f"Bearer {token}"})
        for token in (READER[0], "wrong")
    ]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert READER[0] not in answers[0].text and "wrong" not in answers[1].text


def test_health_needs_no_token(gateway: httpx.Client) -> None:
    assert gateway.get("/healthz").json() == {"status": "SERVING"}


def test_revoked_token_ends_a_stream_with_a_problem(secured: Secured, gateway: httpx.Client) -> None:
    with gateway.stream("GET", PATHS["watch"], headers={"Authorization": f"Bearer {AUDITOR[0]}"}) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: scores"
        with secured.revoked("auditor"):
            rest = list(lines)
    assert "event: problem" in rest
    problem = json.loads(next(line for line in reversed(rest) if line.startswith("data: ")).removeprefix("data: "))
    assert (problem["status"], problem["code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_takes_its_tls_from_the_settings_and_no_token(secured: Secured, number: signal.Signals) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "DRIFTLINE_GRPC_TARGET": secured.address,
        "DRIFTLINE_CLIENT_CA_FILE": str(secured.tls.ca_file),
        "DRIFTLINE_CLIENT_CERT_FILE": str(secured.tls.cert_file),
        "DRIFTLINE_CLIENT_KEY_FILE": str(secured.tls.key_file),
        "DRIFTLINE_CLIENT_TOKEN": AUDITOR[0],  # for `driftline scores`; no caller of the gateway may get its rights
    }
    command = [sys.executable, "-m", "console.cli", "rest", "--port", "0", "--timeout-s", "10"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            url = f"http://{json.loads(process.stderr.readline())['address']}{PATHS['get']}"
            with httpx.Client(trust_env=False, timeout=CALL_S) as client:
                assert client.get(url).status_code == 401
                assert client.get(url, headers={"Authorization": f"Bearer {READER[0]}"}).status_code == 200
            process.send_signal(number)
            assert process.wait(CALL_S) == 0
        finally:
            process.kill()
