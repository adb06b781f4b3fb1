"""The Python of docs/serving.md, and what README.md says of scores, against a real server and a real Redis."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sink_connectors.score_store import RedisScoreStore
from tests.grpc_server import Client, running_server
from tests.redis_server import RedisServer, free_port
from tests.stored import stored_user

REPOSITORY = Path(__file__).parents[3]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
BASH = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
SNIPPETS = [
    (name, snippet)
    for name in ("docs/serving.md", "README.md")
    for snippet in PYTHON.findall((REPOSITORY / name).read_text())
    if "driftline.client" in snippet
]
PRINTED = [
    [
        "0.31 2026-01-01 00:00:00+00:00 20260101-1 False",
        "no scores yet",
        "u1 OK {'engagement': 0.74}",
        "nobody NOT_FOUND None",
    ],
    ["shoes 7", "OK {'churn_risk': 0.05, 'engagement': 0.74, 'purchase_propensity': 0.31}"],
    [],
    ["0.31"],
]


@pytest.fixture(scope="module")
def server() -> Iterator[Client]:
    with RedisServer() as redis, running_server(redis.url) as client:
        store = RedisScoreStore.connect(redis.url)
        store.write([stored_user("u1")], None)
        store.close()
        yield client


@pytest.mark.redis
@pytest.mark.parametrize("number", range(len(PRINTED)))
def test_snippet_prints_what_a_reader_expects(server: Client, number: int) -> None:
    assert len(SNIPPETS) == len(PRINTED)
    # The examples have short deadlines; a busy machine that runs tests may need longer.
    program = SNIPPETS[number][1].replace("127.0.0.1:50051", server.address).replace("timeout_s=0.2", "timeout_s=5")
    program = program.replace(f'"{server.address}")', f'"{server.address}", timeout_s=5)')
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = [_sorted(line) for line in done.stdout.splitlines()]
    assert printed == PRINTED[number]


@pytest.mark.redis
def test_commands_of_the_readme_work_when_pasted(server: Client) -> None:
    (block,) = [one for one in BASH.findall((REPOSITORY / "README.md").read_text()) if "driftline rest" in one]
    pasted, port = block[: block.index("grpcurl")], free_port()  # grpcurl is not everyone's
    program = pasted.replace("localhost:8080", f"localhost:{port}").replace("driftline ", "python -m console.cli ")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "DRIFTLINE_GRPC_TARGET": server.address,
        "DRIFTLINE_REST_PORT": str(port),
        "no_proxy": "localhost",
    }
    done = subprocess.run(
        ["bash", "-ec", f"{program}\nkill $!\nwait"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "session_events" in done.stdout
    answer = done.stdout.splitlines()[-1]
    assert json.loads(answer)["scores"]["scores"]["engagement"] == 0.74


def _sorted(line: str) -> str:
    """The line with the entries of its dictionary in order: a protobuf map has none."""
    head, brace, entries = line.partition("{")
    return f"{head}{{{', '.join(sorted(entries.rstrip('}').split(', ')))}}}" if brace else line
