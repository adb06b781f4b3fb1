"""The Python of docs/segments.md prints what a reader expects, and its declarations can be compiled."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from declarations.compile import plan_of
from tests.grpc_server import running_server
from tests.redis_server import RedisServer
from tests.unit.serving.test_segments import T0, filled

REPOSITORY = Path(__file__).parents[3]
DOC = (REPOSITORY / "docs" / "segments.md").read_text()
FEATURES = """
project: {name: media}
features:
  plays_30d: {count: CLICK, window: 30d}
scores:
  finish: {model: classification, label: {event: PURCHASE, within: 30m}}
"""


def code(language: str) -> str:
    (snippet,) = re.findall(rf"^```{language}\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE)
    return str(snippet)


def test_the_declarations_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(FEATURES)
    (tmp_path / "segments.yaml").write_text(code("yaml"))
    fans, likely = plan_of(tmp_path)["segments"]
    assert (fans["name"], fans["min_stay_ms"], fans["on_models"]) == ("fans", 86_400_000, False)
    assert (likely["name"], likely["leave"], likely["on_models"]) == ("likely", None, True)


@pytest.mark.redis
def test_the_example_prints_what_a_reader_expects() -> None:
    users = {f"u{number}": [T0 + number, -1] for number in range(3)}
    with RedisServer() as redis, filled(redis, users) as namespace, running_server(redis.url) as server:
        made = f'"{server.address}", namespace="{namespace}", timeout_s=5)'
        program = code("python").replace('"127.0.0.1:50051")', made)
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["fans 3", "likely 0", f"u0 {T0}", f"u2 {T0 + 2}", "2 True", "2"]
