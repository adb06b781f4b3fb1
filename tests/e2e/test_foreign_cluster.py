"""The README's own words submit the job to a cluster that is not the local stack's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.e2e.namespace import Namespace
from tests.e2e.stack import COMMAND_S_MAX, ROOT, RealStack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]


def words_of_the_readme() -> str:
    section = (ROOT / "README.md").read_text().partition("## On a real cluster")[2]
    found = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_flinks_own_client_submits_the_job(stack: RealStack, tmp_path: Path) -> None:
    foreign = Namespace(stack, "foreign")
    stack.make_room(1)
    settings = stack.settings
    here = {
        "HOST:8081": settings.flink_address.removeprefix("http://"),
        "/opt/driftline/bin/python": sys.executable,
        "/opt/driftline/lib/python3.11/site-packages": sysconfig.get_path("purelib"),
        "s3://bucket/driftline": (tmp_path / "state").as_uri(),
        "kafka:9092": settings.kafka_address,
        "rediss://driftline@redis:6379/0": settings.redis_address,
        "/shared/models": str(tmp_path / "models"),
        "--set parallelism=4": " ".join(["--set", *(f"{name}={value}" for name, value in foreign.given.items())]),
    }
    (tmp_path / "models").mkdir()
    words = words_of_the_readme()
    for theirs, ours in here.items():
        assert theirs in words
        words = words.replace(theirs, ours)
    words = re.sub(r" --set redis_password_file=\S+", "", words)  # this Redis asks for none
    done = subprocess.run(
        ["bash", "-euc", words],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("DRIFTLINE_", "FLINK_"))},
        capture_output=True,
        text=True,
        timeout=COMMAND_S_MAX,
        check=False,
    )
    found = re.search(r"submitted score-events as job ([0-9a-f]{32})", done.stdout)
    assert found is not None, done.stdout[-3000:] + done.stderr[-3000:]
    job_id = found.group(1)
    try:
        path = f"/jobs/{job_id}/checkpoints"
        seen = eventually(
            lambda: stack.rest(path), lambda seen: seen["counts"]["completed"] >= 1, "a checkpoint completes"
        )
        assert local_path(seen["latest"]["completed"]["external_path"]).is_relative_to(tmp_path / "state/checkpoints")
        assert foreign.processed() == 0
        savepoint = stack.flink.stop_with_savepoint(job_id, 60)
        assert (local_path(savepoint) / "_metadata").is_file()
    finally:
        if stack.runs(job_id):
            stack.flink.cancel(job_id)


def local_path(url: str) -> Path:
    """The path of Flink's file URLs, some of which have one slash and some three."""
    return Path("/" + url.removeprefix("file:").lstrip("/"))
