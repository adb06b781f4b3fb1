"""A job never runs on code that it was not submitted with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobs.code_version import OtherCodeError, code_version, operator_sources, require
from jobs.operators.score_blocks import CODE_VERSION

ROOT = Path(__file__).resolve().parents[3]
OPERATOR = "jobs.operators.score_blocks"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the operator runs, in folders as they are."""
    for file in operator_sources(OPERATOR):
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return tmp_path


def test_same_code_is_fine_and_the_fingerprint_is_stable(copy: Path) -> None:
    assert code_version(OPERATOR) == CODE_VERSION
    assert code_version(OPERATOR, copy) == CODE_VERSION
    require(CODE_VERSION, CODE_VERSION)


def test_other_code_is_refused_with_the_way_out() -> None:
    with pytest.raises(OtherCodeError, match="restart the TaskManagers"):
        require("000000000000", CODE_VERSION)


@pytest.mark.parametrize(
    "file",
    [
        "jobs/operators/score_blocks.py",
        "udfs/timeline.py",
        "jobs/flink/subtask.py",
        "jobs/code_version.py",
        "jobs/settings.py",
        "driftline/models.py",
        "sink_connectors/write_scores.lua",
        "sink_connectors/claim_namespace.lua",
        "driftline/event/v1/event_pb2.py",
        "driftline/event/v1/session_pb2.py",
        "driftline/serving/v1/scores_pb2.py",
        "driftline/state/v1/state_pb2.py",
    ],
)
def test_what_the_operator_runs_is_covered(copy: Path, file: str) -> None:
    with (copy / file).open("a") as source:
        source.write("\n")
    assert code_version(OPERATOR, copy) != CODE_VERSION


@pytest.mark.parametrize(
    "file",
    [
        "console/submission.py",
        "console/publishing.py",
        "console/progress.py",
        "jobs/flink/blocks.py",
        "console/cli/jobs.py",
        "driftline/serving/v1/score_service_pb2.py",
        "serving/reader.py",
    ],
)
def test_what_no_operator_imports_restarts_no_task_manager(copy: Path, file: str) -> None:
    assert (ROOT / file).is_file()
    assert ROOT / file not in operator_sources(OPERATOR)
    other = copy / file
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text("a new message\n")
    assert code_version(OPERATOR, copy) == CODE_VERSION


def test_what_a_function_imports_is_covered_too(copy: Path) -> None:
    with (copy / "jobs/operators/score_blocks.py").open("a") as operator:
        operator.write("\n\ndef late():\n    from driftline.later import something\n")
    (copy / "driftline/later.py").write_text("something = 1\n")
    before = code_version(OPERATOR, copy)
    (copy / "driftline/later.py").write_text("something = 2\n")
    assert code_version(OPERATOR, copy) != before
