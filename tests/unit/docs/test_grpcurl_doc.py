"""What the documents show of grpcurl, run with grpcurl itself where it is installed: nobody here wrote it.

go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sink_connectors.score_store import RedisScoreStore
from tests.grpc_server import CALL_S, Client, running_server
from tests.redis_server import RedisServer
from tests.secured_server import READER, Secured, secured_server
from tests.stored import stored_user

REPOSITORY = Path(__file__).parents[3]
ADDRESS = "localhost:50051"
GRPCURL = shutil.which("grpcurl")
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)

pytestmark = [pytest.mark.redis, pytest.mark.skipif(GRPCURL is None, reason="grpcurl is not installed")]


def shown() -> Iterator[tuple[str, str]]:
    """Each command of docs/serving.md, and what it is said to print."""
    (block,) = [one for one in CONSOLE.findall((REPOSITORY / "docs" / "serving.md").read_text()) if "grpcurl" in one]
    for part in block.replace("\\\n", " ").split("$ ")[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def grpcurl(*arguments: str) -> str:
    done = subprocess.run(
        [str(GRPCURL), "-max-time", str(CALL_S), *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def parsed(printed: str) -> Any:
    """JSON where it is some: grpcurl prints the entries of a map in any order, and sometimes two spaces."""
    return json.loads(printed) if printed.startswith("{") else printed.split()


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        store = RedisScoreStore.connect(server.url)
        store.write([stored_user(f"u{number}") for number in (1, 2, 3)], None)
        store.close()
        yield server


@pytest.fixture(scope="module")
def server(redis: RedisServer) -> Iterator[Client]:
    with running_server(redis.url) as client:
        yield client


@pytest.fixture(scope="module")
def secured(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_server(redis.url, tmp_path_factory.mktemp("secured")) as made:
        yield made


@pytest.mark.parametrize(("command", "printed"), list(shown()))
def test_prints_what_the_document_shows(server: Client, command: str, printed: str) -> None:
    _, *arguments = shlex.split(command.replace(ADDRESS, server.address))
    assert parsed(grpcurl(*arguments)) == parsed(printed)


def test_describes_the_contract_by_reflection(server: Client) -> None:
    described = grpcurl("-plaintext", server.address, "describe", "driftline.serving.v1.ScoreService")
    for method in ("GetScores", "BatchGetScores", "WatchScores", "ExplainScores"):
        assert f"rpc {method} (" in described


def test_command_of_the_readme(server: Client) -> None:
    (line,) = [one for one in (REPOSITORY / "README.md").read_text().splitlines() if one.startswith("grpcurl ")]
    _, *arguments = shlex.split(line.replace(ADDRESS, server.address))
    assert json.loads(grpcurl(*arguments))["scores"]["user_id"] == "u1"


def test_mutual_tls_and_a_token(secured: Secured) -> None:
    tls = secured.tls_as("nobody")
    files = ("-cacert", str(tls.ca_file), "-cert", str(tls.cert_file), "-key", str(tls.key_file))
    call = ("-d", '{"userId":"u1"}', secured.address, "driftline.serving.v1.ScoreService/GetScores")
    assert "Code: Unauthenticated" in grpcurl(*files, "-protoset", str(REPOSITORY / "proto" / "released.binpb"), *call)
    answer = grpcurl(*files, "-H", f"authorization: Bearer {READER[0]}", *call)
    assert json.loads(answer)["scores"]["user_id"] == "u1"
