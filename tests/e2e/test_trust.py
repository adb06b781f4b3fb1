"""What the job leans on and must not suffer from: a models folder that hangs; and what it must not show: passwords."""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from driftline.models import ModelFolder
from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import RealStack
from tests.onnx_models import constant
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECRET = "hunter2secret"  # noqa: S105
EVENTS = 200


@pytest.fixture(scope="module")
def lines(stack: RealStack, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Events, one a line."""
    file = tmp_path_factory.mktemp("events") / "events.jsonl"
    stack.driftline("simulate", "--users", "50", "--events", str(2 * EVENTS), "--seed", "5", "--out", str(file))
    return file.read_text().splitlines(keepends=True)


def part(lines: list[str], folder: Path, start: int) -> Path:
    """A file with some of the events."""
    file = folder / f"from-{start}.jsonl"
    file.write_text("".join(lines[start : start + EVENTS]))
    return file


def test_a_models_folder_that_hangs_holds_up_neither_blocks_nor_barriers(
    stack: RealStack, lines: list[str], tmp_path: Path
) -> None:
    """A FIFO without a writer hangs whoever opens it, as a file on a dead network volume does."""
    models = tmp_path / "models"
    version = ModelFolder(models).store(constant(0.25, 0.75), trained_at_ms=1, stamp="1", metrics={}).version
    hung = Namespace(stack, "hung", {"models_dir": models})
    hung.submit()
    hung.publish(part(lines, tmp_path, 0))
    assert hung.drain().processed == EVENTS

    os.mkfifo(models / ".fifo")
    (models / ".fifo").replace(models / "current")
    hung.publish(part(lines, tmp_path, EVENTS))
    assert hung.drain() == Counters(2 * EVENTS, 2 * EVENTS, 2 * EVENTS, 0, 0, 0)
    assert {scores["modelVersion"] for scores in hung.scores().values()} == {version}
    hung.stop()  # with a savepoint: the barrier came through


@pytest.fixture
def locked_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        with server.client() as client:
            client.config_set("requirepass", SECRET)
        yield server


@contextmanager
def seen_arguments() -> Iterator[set[str]]:
    """Gather the arguments of every process of the machine that runs meanwhile."""
    seen: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            for process in psutil.process_iter(["cmdline"]):
                seen.update(process.info["cmdline"] or [])

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        done.set()
        looking.join()


@pytest.mark.parametrize("way", ["url", "file"])
def test_a_password_is_shown_nowhere(
    stack: RealStack, lines: list[str], locked_redis: RedisServer, tmp_path: Path, way: str
) -> None:
    place = f"127.0.0.1:{locked_redis.port}/0"
    env = {"DRIFTLINE_REDIS_URL": f"redis://:{SECRET}@{place}"}
    if way == "file":
        (tmp_path / "password").write_text(f"{SECRET}\n")
        env = {"DRIFTLINE_REDIS_URL": f"redis://{place}", "DRIFTLINE_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
    locked = Namespace(stack, f"locked-{way}")
    topics = {f"DRIFTLINE_JOB_{name.upper()}": str(value) for name, value in locked.given.items()}
    with seen_arguments() as arguments:
        locked.job_id = stack.submit(env=env | topics)
    assert any("CliFrontend" in argument for argument in arguments), "Flink's client was not seen"
    assert not [argument for argument in arguments if SECRET in argument]

    stack.driftline("publish", str(part(lines, tmp_path, 0)), env=env | locked.env)
    drained = stack.driftline("drain", "--namespace", locked.name, env=env | locked.env)
    assert Counters.parse(drained).accepted == EVENTS
    assert stack.driftline("export-scores", "--namespace", locked.name, env=env)
    shown = stack.driftline("status", env=env) + stack.driftline("status", "--json", env=env)
    assert SECRET not in shown and f"redis://{place}" in shown
    for path in ("", "/config", "/plan", "/exceptions", "/checkpoints"):
        assert SECRET not in json.dumps(stack.rest(f"/jobs/{locked.job_id}{path}"))
    for path in ("/config", "/jobmanager/config", "/jobmanager/environment", "/taskmanagers"):
        assert SECRET not in json.dumps(stack.rest(path))
    assert [file for file in stack.home.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()] == []
    stack.flink.cancel(locked.job_id)


def test_no_page_of_another_origin_may_read_flink_s_answers(stack: RealStack) -> None:
    request = urllib.request.Request(  # noqa: S310
        f"{stack.settings.flink_address}/overview", headers={"Origin": "http://somewhere.example"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
        assert reply.headers["Access-Control-Allow-Origin"] not in {"*", "null", "http://somewhere.example"}
