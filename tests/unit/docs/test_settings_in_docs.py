"""Every flag, variable and setting that a document names exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_group

from console.cli import app
from console.client_settings import ClientSettings
from console.settings import StackSettings
from driftline.metrics import ArchiveMetric, JobGauge, JobMetric, JobNamed
from driftline.settings import Settings
from jobs.register import JOBS
from serving.settings import ServeSettings
from udfs.rejects import Reason

REPOSITORY = Path(__file__).parents[3]
SERVER_DOCS = [REPOSITORY / "docs" / f"{name}.md" for name in ("serving", "security", "metrics")]
DOCS = [*SERVER_DOCS, REPOSITORY / "docs" / "runbook.md", REPOSITORY / "docs" / "architecture.md"]
JOBS_SETTINGS: list[type[Settings]] = [spec.settings for spec in JOBS.values()]
SETTINGS: list[type[Settings]] = [StackSettings, ServeSettings, ClientSettings, *JOBS_SETTINGS]
VARIABLES = {f"{settings.prefix()}{name.upper()}" for settings in SETTINGS for name in settings.model_fields}
OF_THE_JOBS = {
    *(name for settings in JOBS_SETTINGS for name in settings.model_fields),
    *(counter.value.name for counter in JobNamed),
}
OF_OTHERS = re.compile(r"^.*python -m kafka\.admin .*$", re.MULTILINE)  # lines with flags of another program
NOT_SETTINGS = {"as_of_event_time_ms", "as_of_event", "reconnect_s"}  # fields of the contract, an option of the client


def _parameters(command: Any) -> Iterator[Any]:
    """Those of a command of Typer's, and of the commands below it."""
    yield from command.params
    for inner in getattr(command, "commands", {}).values():
        yield from _parameters(inner)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_flags_and_variables_exist(path: Path) -> None:
    text = OF_OTHERS.sub("", path.read_text())
    options = {option for parameter in _parameters(get_group(app)) for option in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options | {"--help"}
    assert set(re.findall(r"DRIFTLINE_[A-Z_]+[A-Z]", text)) <= VARIABLES


@pytest.mark.parametrize("path", SERVER_DOCS, ids=lambda path: path.name)
def test_settings_of_the_server_exist(path: Path) -> None:
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", path.read_text())) - NOT_SETTINGS
    known = {*ServeSettings.model_fields, *OF_THE_JOBS}
    assert {name for name in named if not name.startswith("driftline_")} <= known


def test_the_runbook_has_every_metric_of_the_job_and_every_reason_of_a_dead_letter() -> None:
    text = (REPOSITORY / "docs" / "runbook.md").read_text()
    rows = {
        word for line in text.splitlines() if line.startswith("| ") for word in re.findall(r"\w+", line.split("|")[1])
    }
    plain = (*JobMetric, *JobGauge, *ArchiveMetric)
    metrics = {*(metric.value for metric in plain), *(counter.value.name for counter in JobNamed)}
    assert metrics | {*Reason} - {Reason.LATE} <= rows
