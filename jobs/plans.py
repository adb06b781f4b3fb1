"""The plan of a job: its declarations, compiled where it is submitted, and sent to its tasks as data."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from jobs.event_settings import EventSettings
from jobs.settings import ScoreEventsSettings
from udfs.plan.plan import Plan


def compile_plan(settings: EventSettings) -> str:
    """Return the plan of the declarations that the settings name, as JSON.

    Raises:
        DeclarationError: they are wrong; each of its lines names a file, a line and what to do.
    """
    return _compiled(settings.declarations)


@functools.cache
def _compiled(folder: Path | None) -> str:
    from declarations.compile import plan_of  # noqa: PLC0415  (tasks get what is compiled, and need no reader of YAML)

    return json.dumps(plan_of(folder))


def plan_for(settings: ScoreEventsSettings) -> Plan:
    """Return the process's plan of the settings, for use on one thread; a task makes its own (`bind_plan`)."""
    return _bound(settings.declarations, settings.categories_max)


@functools.cache
def _bound(folder: Path | None, categories_max: int) -> Plan:
    return _plan(_compiled(folder), categories_max)


def bind_plan(compiled: str, settings: ScoreEventsSettings) -> Plan:
    """Return a plan that was compiled before, of one's own: a plan is used by one thread."""
    return _plan(compiled, settings.categories_max)


def _plan(compiled: str, categories_max: int) -> Plan:
    data: dict[str, Any] = json.loads(compiled)
    return Plan(data, categories_max)
