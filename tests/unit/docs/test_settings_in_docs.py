"""Every flag, variable and setting that a document names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings
from typer.main import get_group

from console.cli import app
from console.client_settings import ClientSettings
from console.settings import StackSettings
from driftline.metrics import JobGauge, JobMetric, JobNamed
from jobs.settings import ScoreEventsSettings
from serving.settings import ServeSettings
from udfs.rejects import Reason

REPOSITORY = Path(__file__).parents[3]
SERVER_DOCS = [REPOSITORY / "docs" / f"{name}.md" for name in ("serving", "security", "metrics")]
DOCS = [*SERVER_DOCS, REPOSITORY / "docs" / "runbook.md", REPOSITORY / "docs" / "architecture.md"]
PREFIXES: dict[str, type[BaseSettings]] = {
    "DRIFTLINE_": StackSettings,
    "DRIFTLINE_SERVE_": ServeSettings,
    "DRIFTLINE_CLIENT_": ClientSettings,
    "DRIFTLINE_JOB_": ScoreEventsSettings,
}
VARIABLES = {f"{prefix}{name.upper()}" for prefix, kind in PREFIXES.items() for name in kind.model_fields}
OF_THE_JOB = {*ScoreEventsSettings.model_fields, *(one.value.name for one in JobNamed)}
NOT_SETTINGS = {"as_of_event_time_ms", "reconnect_s"}  # a field of the contract, an option of the client


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_flags_and_variables_exist(path: Path) -> None:
    text = path.read_text()
    options = {option for command in get_group(app).commands.values() for one in command.params for option in one.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options | {"--help"}
    assert set(re.findall(r"DRIFTLINE_[A-Z_]+[A-Z]", text)) <= VARIABLES


@pytest.mark.parametrize("path", SERVER_DOCS, ids=lambda path: path.name)
def test_settings_of_the_server_exist(path: Path) -> None:
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", path.read_text())) - NOT_SETTINGS
    known = {*ServeSettings.model_fields, *OF_THE_JOB}
    assert {name for name in named if not name.startswith("driftline_")} <= known


def test_the_runbook_has_every_metric_of_the_job_and_every_reason_of_a_dead_letter() -> None:
    text = (REPOSITORY / "docs" / "runbook.md").read_text()
    rows = {
        word for line in text.splitlines() if line.startswith("| ") for word in re.findall(r"\w+", line.split("|")[1])
    }
    metrics = {*(one.value for one in (*JobMetric, *JobGauge)), *(one.value.name for one in JobNamed)}
    assert metrics | {*Reason} - {Reason.LATE} <= rows
