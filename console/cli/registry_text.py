"""What `driftline models` prints: tables of versions, of what one is, and of two side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftline.errors import ModelError
from driftline.model_changes import Change, Stage

if TYPE_CHECKING:
    from console.model_gate import Measured
    from driftline.manifest import Manifest
    from driftline.registry import ModelRegistry, Version

_PIPE_WIDTH = 160  # columns where the output is not a terminal, so that nothing wraps


def live_versions(registries: list[ModelRegistry]) -> Table:
    """The live model of each score, or why there is none."""
    table = Table("score", "task", "live model", "features", "of", "test", box=None, pad_edge=False)
    for one in registries:
        found = listed(one, every=False)
        none = "none: its formula makes it" if one.score.has_formula else "none"
        problem = _problem_of(one) or next((version.problem for version in found), "")
        if problem:
            row = [f"cannot be used: {problem}"]
        elif found and (manifest := found[0].manifest):
            row = [found[0].name, str(len(manifest.features)), _time(manifest.trained_at_ms), _quality(manifest)]
        else:
            row = [none]
        table.add_row(*map(Text, [one.score.name, one.score.task, *row]))
    return table


def all_versions(registries: list[ModelRegistry]) -> Table:
    """Every version of each score."""
    table = Table("score", "version", "stage", "features", "of", "test", "from", box=None, pad_edge=False)
    for one in registries:
        for version in listed(one, every=True):
            manifest = version.manifest
            told = ["", "", version.problem, ""] if manifest is None else _told(manifest)
            if manifest is not None and version.problem:
                told[-1] = f"cannot be used: {version.problem}"
            table.add_row(*map(Text, [one.score.name, version.name, str(version.stage), *told]))
    return table


def _told(manifest: Manifest) -> list[str]:
    origin = manifest.lineage.get("data_sha256", "")
    made_of = f"data {origin[:12]}" if origin else str(manifest.metrics.get("source", ""))
    return [str(len(manifest.features)), _time(manifest.trained_at_ms), _quality(manifest), made_of]


def listed(registry: ModelRegistry, *, every: bool) -> list[Version]:
    """The versions to be shown, each with why it cannot be used."""
    found = registry.versions() if every else []
    names = [one.name for one in found]
    if not every and not _problem_of(registry) and (live := registry.live()):
        names = [live]
    return [
        registry.version(name, tried=True) if name in registry.folder.versions() else _gone(registry, name)
        for name in names
    ]


def _gone(registry: ModelRegistry, name: str) -> Version:
    from driftline.registry import Version

    message = f"{registry.folder.where}/{name}: there is no such model"
    return Version(name, Stage.LIVE, None, message)


def _problem_of(registry: ModelRegistry) -> str:
    """Why nobody can tell which model is live; empty where that is known."""
    try:
        registry.live()
    except ModelError as error:
        return str(error)
    return ""


def facts_table(version: Version) -> Table:
    """What a version is."""
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for name, value in _facts(version):
        table.add_row(Text(name), Text(value))
    return table


def _facts(version: Version) -> list[tuple[str, str]]:
    facts = [("version", version.name), ("stage", str(version.stage))]
    manifest = version.manifest
    if manifest is not None:
        facts += [
            ("score", f"{manifest.score}, {manifest.task}"),
            ("made", _time(manifest.trained_at_ms)),
            ("feature set", f"{manifest.feature_set}, declarations {manifest.declaration or 'not known'}"),
            ("features", f"{len(manifest.features)}: {', '.join(manifest.features)}"),
            ("SHA-256", manifest.sha256),
            *[(name.replace("_", " "), _short(value)) for name, value in manifest.metrics.items()],
            *[_origin(name, value) for name, value in manifest.lineage.items()],
        ]
    return [*facts, ("cannot be used", version.problem)] if version.problem else facts


def _origin(name: str, value: Any) -> tuple[str, str]:
    said = f"from: {name.removesuffix('_ms').replace('_', ' ')}"
    return (said, _time(value)) if name in {"first_ms", "last_ms"} else (said, _short(value))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _PIPE_WIDTH else f"{text[:_PIPE_WIDTH]}... (--json shows all)"


def changes_table(changes: Sequence[Change]) -> Table:
    """What was done to a score's models."""
    table = Table("time", "what", "version", "live before", "why", box=None, pad_edge=False)
    for change in changes:
        told = [_time(change.at_ms), str(change.action), change.version, change.before, change.note]
        table.add_row(*map(Text, told))
    return table


def side_by_side(measured: list[Measured], candidate: str, live: str, rows: str) -> Table:
    """What was measured of two models."""
    table = Table(f"on {rows}", candidate, f"{live} (live)", "", box=None, pad_edge=False)
    for one in measured:
        table.add_row(one.name, _figure(one.candidate), _figure(one.live), "worse" if one.is_worse else "")
    return table


def _figure(value: float | None) -> str:
    return "not known" if value is None else f"{value:g}"


def _quality(manifest: Manifest) -> str:
    metrics = manifest.metrics
    for name, key in (("AUC", "auc"), ("R2", "r2")):
        if isinstance(found := metrics.get(key), int | float):
            return f"{name} {found:.3f}"
    return ""


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def show_table(table: Table) -> None:
    """Print a table; not on a terminal, so wide that nothing wraps."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(table)
