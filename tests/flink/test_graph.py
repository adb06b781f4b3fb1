"""The names by which a savepoint finds the job's operators: they stay those of the first savepoints that there are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from state_schemas.names import CHUNKS, READ_LAKE

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "operator_uids_v1.json"
# In a process of its own: the gateway's JVM ends with it.
_UIDS = """
import json
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from console.local import artifacts
from jobs import pipeline
from jobs.lineage import Submission
from jobs.score_events import build
from jobs.settings import ScoreEventsSettings
from tests.throwaway_output import ENTRY

place = PLACE
if place is not None:
    pipeline.STAGES = (*pipeline.STAGES[:place], ENTRY, *pipeline.STAGES[place:])
conf = Configuration()
conf.set_string("python.execution-mode", "thread")
conf.set_string("pipeline.jars", artifacts.kafka_connector().as_uri())
env = StreamExecutionEnvironment.get_execution_environment(conf)
build(env, ScoreEventsSettings.load(**SETTINGS), Submission(1, restored=False))
nodes = env._j_stream_execution_environment.getStreamGraph(True).getStreamNodes().toArray()
print(json.dumps([[node.getOperatorName(), node.getTransformationUID()] for node in nodes]))
"""


@cache
def uids_of(place: int | None, **settings: str) -> list[tuple[str, str | None]]:
    """The operators of the job's graph and their uids; with another output at this place of the stages."""
    program = _UIDS.replace("PLACE", repr(place)).replace("SETTINGS", repr(settings))
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    # The planner's number of a node, behind its name, is what another output moves.
    return [(re.sub(r"\[\d+\]", "", name), uid) for name, uid in json.loads(done.stdout.splitlines()[-1])]


def uids_of_output(role: str) -> set[str]:
    """Those of an output that came after the first savepoints."""
    return {f"{role}-correlate", f"{role}-calc", f"{role}-sink", f"Sink Committer: {role}-sink"}


def test_every_operator_has_the_uid_that_savepoints_know_it_by() -> None:
    nodes = uids_of(None)
    assert {uid for _, uid in nodes if uid} == {*json.loads(GOLDEN.read_text()), *uids_of_output("segments")}
    assert {name for name, uid in nodes if not uid} <= {"Map"}  # PyFlink's own, between Python and SQL: without state
    sinks = {name.removesuffix(": Writer"): uid for name, uid in nodes if name.endswith(": Writer")}
    assert sinks == {
        "scores": "10_sink",
        "sessions": "13_sink",
        "segments": "segments-sink",
        "events.late": "15_sink",
        "events.dead-letter": "17_sink",
    }


@pytest.mark.parametrize("place", [0, 3])
def test_another_output_moves_no_operator_s_state(place: int) -> None:
    before, after = uids_of(None), uids_of(place)
    assert set(before) <= set(after)
    assert {uid for _, uid in set(after) - set(before)} == uids_of_output("greetings")


@pytest.mark.parametrize(
    "settings",
    [
        {"until_offsets": "0:120,3:88"},
        {"start_offsets": "0:7"},
        {"start_offsets": "0:7", "until_offsets": "0:120", "only_users": __file__, "events_a_s_max": "100"},
    ],
    ids=" ".join,
)
def test_where_a_replay_begins_and_ends_moves_no_operator_s_state(settings: dict[str, str]) -> None:
    assert uids_of(None, **settings) == uids_of(None)


def test_a_replay_of_the_lake_has_a_source_of_its_own_and_the_job_s_other_operators() -> None:
    lake = uids_of(None, chunks_topic="chunks", lake_url="/lake")
    inputs = {"1_kafka", "2_calc", "4_window-aggregate", "5_calc", "6_constraint-validator", "6_external-datastream"}
    assert {uid for _, uid in lake if uid} == {uid for _, uid in uids_of(None) if uid} - inputs | {CHUNKS, READ_LAKE}
