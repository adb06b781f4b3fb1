"""A job never runs on code that it was not submitted with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobs.code_version import CODE_VERSION, OtherCodeError, _fingerprint, operator_sources, require

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the operator runs, in folders as they are."""
    for file in operator_sources():
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return tmp_path


def test_same_code_is_fine_and_the_fingerprint_is_stable(copy: Path) -> None:
    assert _fingerprint() == CODE_VERSION
    assert _fingerprint(copy) == CODE_VERSION
    require(CODE_VERSION)


def test_other_code_is_refused_with_the_way_out() -> None:
    with pytest.raises(OtherCodeError, match="restart the TaskManagers"):
        require("000000000000")


@pytest.mark.parametrize(
    "file",
    [
        "jobs/operators/score_blocks.py",
        "udfs/user.py",
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
    assert _fingerprint(copy) != CODE_VERSION


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
    assert ROOT / file not in operator_sources()
    other = copy / file
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text("a new message\n")
    assert _fingerprint(copy) == CODE_VERSION


def test_what_a_function_imports_is_covered_too(copy: Path) -> None:
    with (copy / "jobs/operators/score_blocks.py").open("a") as operator:
        operator.write("\n\ndef late():\n    from driftline.later import something\n")
    (copy / "driftline/later.py").write_text("something = 1\n")
    one = _fingerprint(copy)
    (copy / "driftline/later.py").write_text("something = 2\n")
    assert _fingerprint(copy) != one
