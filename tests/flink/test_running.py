"""What the main of every job does around its graph, with Flink's client and without a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.local import flink_env
from console.settings import StackSettings

ROOT = Path(__file__).resolve().parents[2]
# In a process of its own: the gateway's JVM ends with it. A cluster that takes every job stands for Flink's.
_SUBMIT = """
import json, sys
from types import SimpleNamespace
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from jobs.flink.running import run
from jobs.register import JOBS
from tests import second_job

JOBS[second_job.ENTRY.name] = second_job.ENTRY
build = second_job.build
second_job.build = lambda env, settings, submission: (print(submission.restored), build(env, settings, submission))
conf, arguments = json.loads(sys.argv[1])
made = StreamExecutionEnvironment.get_execution_environment(Configuration())
for key, value in conf.items():
    made._j_stream_execution_environment.configure(Configuration().set_string(key, value)._j_configuration)


def execute(name):
    nodes = made._j_stream_execution_environment.getStreamGraph(True).getStreamNodes().toArray()
    print(json.dumps([name, [[node.getOperatorName(), node.getParallelism()] for node in nodes]]))
    return SimpleNamespace(get_job_id=lambda: "0123")


made.execute_async = execute
StreamExecutionEnvironment.get_execution_environment = lambda: made
sys.argv[1:] = arguments
run("copy-events")
"""
SAFE = {
    "python.execution-mode": "thread",
    "execution.checkpointing.dir": "s3://bucket/checkpoints",
    "execution.checkpointing.interval": "10s",
    "restart-strategy.type": "none",
}
RESTORED = {"execution.state-recovery.path": "s3://bucket/savepoints/one"}


def submit(tmp_path: Path, conf: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = flink_env(StackSettings.load(home=tmp_path / "home"))
    command = [sys.executable, "-c", _SUBMIT, json.dumps([conf, arguments])]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd=ROOT)


@pytest.mark.parametrize(("conf", "restored"), [(SAFE, "False"), (SAFE | RESTORED, "True")])
def test_another_job_is_laid_out_and_submitted_by_the_same_lines(
    tmp_path: Path, conf: dict[str, str], restored: str
) -> None:
    given = ["group_id=g", "parallelism=2", "namespace=n", "copies_topic=it's", "allow=no-restart-bound"]
    done = submit(tmp_path, conf, "--set", *given)
    assert done.returncode == 0, done.stderr[-3000:]
    *_, seen, graph, said = done.stdout.splitlines()
    assert seen == restored
    assert said == "submitted copy-events as job 0123"
    name, nodes = json.loads(graph)
    assert name == "copy-events n"
    assert [node.rpartition(".")[2] for node, _ in nodes] == ["events", "copies[2]: Writer", "copies[2]: Committer"]
    assert [parallelism for _, parallelism in nodes] == [2, 2, 2]


@pytest.mark.parametrize(
    ("conf", "arguments", "says"),
    [
        (SAFE, ["--set", "grup_id=g"], "copy-events: unknown setting 'grup_id'; did you mean group_id?"),
        (
            {"python.execution-mode": "process"},
            ["--set", "group_id=g"],
            "copy-events: python.execution-mode is process",
        ),
    ],
)
def test_what_is_wrong_is_one_line_that_begins_with_the_job(
    tmp_path: Path, conf: dict[str, str], arguments: list[str], says: str
) -> None:
    done = submit(tmp_path, conf, *arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(says), done.stderr
    assert "submitted" not in done.stdout
