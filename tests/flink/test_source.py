"""The Kafka source of the job, as Flink would deploy it; no cluster and no Kafka are needed to lay it out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from console.local import flink_env
from console.settings import StackSettings
from driftline.units import DAY_MS

UNBOUNDED_MS = 2**63 - 1
# In a process of its own: the gateway's JVM ends with it.
_PROPERTIES = """
import json, sys
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from jobs.score_events import build
from jobs.settings import ScoreEventsSettings
from jobs.lineage import Submission



def consumer_properties(settings):
    env = StreamExecutionEnvironment.get_execution_environment()
    build(env, ScoreEventsSettings.load(**settings), Submission(generation=1, restored=False))
    for node in env._j_stream_execution_environment.getStreamGraph(False).getStreamNodes().toArray():
        factory = node.getOperatorFactory()
        if factory.getClass().getSimpleName() == "SourceOperatorFactory":
            properties = private(private(factory, "source"), "props")
            found = {name: properties[name] for name in ("auto.offset.reset", "isolation.level")}
            starting = private(private(factory, "source"), "startingOffsetsInitializer")
            if starting.getClass().getSimpleName() == "SpecifiedOffsetsInitializer":
                offsets = private(starting, "initialOffsets")
                topic = get_gateway().jvm.org.apache.flink.kafka.shaded.org.apache.kafka.common.TopicPartition
                found["begins"] = [offsets.get(topic("events", partition)) for partition in (0, 1, 4_095)]
            drift_ms = private(factory, "watermarkStrategy").getAlignmentParameters().getMaxAllowedWatermarkDrift()
            return found | {"drift_ms": drift_ms}


def private(java_object, name):
    field = java_object.getClass().getDeclaredField(name)
    field.setAccessible(True)
    return field.get(java_object)


print(json.dumps([consumer_properties(settings) for settings in json.loads(sys.argv[1])]))
"""


def test_the_source_has_nowhere_to_fall_back_to_unless_it_is_told_to(tmp_path: Path) -> None:
    environment = flink_env(StackSettings.load(home=tmp_path / "home"))
    changed = {"deleted_offsets": "skip", "isolation_level": "read_uncommitted", "partition_drift_ms_max": DAY_MS}
    settings: list[dict[str, object]] = [{}, changed, {"start_offsets": "1:88"}]
    command = [sys.executable, "-c", _PROPERTIES, json.dumps(settings)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [
        {"auto.offset.reset": "none", "isolation.level": "read_committed", "drift_ms": UNBOUNDED_MS},
        {"auto.offset.reset": "earliest", "isolation.level": "read_uncommitted", "drift_ms": DAY_MS},
        # Kafka's own number for the oldest: where no offset is given, the connector would ask for a committed one.
        {
            "auto.offset.reset": "none",
            "isolation.level": "read_committed",
            "drift_ms": UNBOUNDED_MS,
            "begins": [-2, 88, -2],
        },
    ]
