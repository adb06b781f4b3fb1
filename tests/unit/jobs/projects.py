"""Projects in folders of their own, one for each text, as the setting `declarations` names them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from jobs.plans import bind_plan, compile_plan
from jobs.settings import ScoreEventsSettings
from tests.builders import job_settings
from udfs.plan.plan import Plan


@functools.cache
def folder(text: str) -> Path:
    """A folder with this one file."""
    made = Path(tempfile.mkdtemp())
    (made / "project.yaml").write_text(text, encoding="utf-8")
    return made


def features(*lines: str, name: str = "shop", more: str = "") -> Path:
    """A folder with these features."""
    declared = "".join(f"  {line}\n" for line in lines)
    return folder(f"project: {{name: {name}}}\n{more}" + (f"features:\n{declared}" if lines else ""))


def settings_of(declarations: Path | None, **changed: object) -> ScoreEventsSettings:
    """The job's settings with a project."""
    return job_settings(declarations=declarations, **changed)


def plan_of(declarations: Path | None) -> Plan:
    """The plan of a folder; None is the shipped one."""
    settings = settings_of(declarations)
    return bind_plan(compile_plan(settings), settings)
