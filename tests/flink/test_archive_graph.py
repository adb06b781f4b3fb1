"""The graph of archive-events: names by which a savepoint finds its operators, and those of its files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "archive_uids_v1.json"
# In a process of its own: the gateway's JVM ends with it.
_GRAPH = """
import json, sys
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from console.local import artifacts
from jobs.archive_events import build
from jobs.archive_settings import ArchiveEventsSettings
from jobs.lineage import Submission

conf = Configuration()
conf.set_string("python.execution-mode", "thread")
jars = [artifacts.kafka_connector(), *artifacts.parquet_format()]
conf.set_string("pipeline.jars", ";".join(jar.as_uri() for jar in jars))
env = StreamExecutionEnvironment.get_execution_environment(conf)
build(env, ArchiveEventsSettings.load(**json.loads(sys.argv[1])), Submission(1, restored=False))
nodes = env._j_stream_execution_environment.getStreamGraph(True).getStreamNodes().toArray()
(writer,) = (node for node in nodes if node.getOperatorName() == "StreamingFileWriter")
operator = writer.getOperatorFactory().getOperator()
field = operator.getClass().getSuperclass().getDeclaredField("bucketsBuilder")
field.setAccessible(True)
builder = field.get(operator)
field = builder.getClass().getSuperclass().getDeclaredField("outputFileConfig")
field.setAccessible(True)
files = field.get(builder)
interval_ms = env.get_checkpoint_config().get_checkpoint_interval()
names = [[node.getOperatorName(), node.getTransformationUID()] for node in nodes]
print(json.dumps([names, files.getPartPrefix(), files.getPartSuffix(), interval_ms]))
"""


def test_operators_have_the_uids_that_savepoints_know_and_files_say_what_they_are(tmp_path: Path) -> None:
    settings = {"lake_url": str(tmp_path), "checkpoint_s": 7}
    command = [sys.executable, "-c", _GRAPH, json.dumps(settings)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    names, prefix, suffix, interval_ms = json.loads(done.stdout.splitlines()[-1])
    assert {uid for _, uid in names if uid} == {*json.loads(GOLDEN.read_text())}
    assert {re.sub(r"\[\d+\]", "", name) for name, uid in names if not uid} <= {"Map", "TableToDataStream"}
    assert prefix.startswith("part-")
    assert suffix == ".parquet"
    assert interval_ms == 7_000
