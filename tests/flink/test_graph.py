"""The names by which a savepoint finds the job's operators: they stay those of the first savepoints that there are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "operator_uids_v1.json"
# In a process of its own: the gateway's JVM ends with it.
_UIDS = """
import json
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from jobs.settings import ScoreEventsSettings
from console.local import artifacts
from jobs.score_events import build
from jobs.lineage import Submission

conf = Configuration()
conf.set_string("python.execution-mode", "thread")
conf.set_string("pipeline.jars", artifacts.kafka_connector().as_uri())
env = StreamExecutionEnvironment.get_execution_environment(conf)
build(env, ScoreEventsSettings.load(), Submission(1, restored=False))
nodes = env._j_stream_execution_environment.getStreamGraph(True).getStreamNodes().toArray()
print(json.dumps([[node.getOperatorName(), node.getTransformationUID()] for node in nodes]))
"""


def test_every_operator_has_the_uid_that_savepoints_know_it_by() -> None:
    done = subprocess.run([sys.executable, "-c", _UIDS], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    nodes = json.loads(done.stdout.splitlines()[-1])
    assert sorted(uid for _, uid in nodes if uid) == json.loads(GOLDEN.read_text())
    assert {name for name, uid in nodes if not uid} <= {"Map"}  # PyFlink's own, between Python and SQL: without state
