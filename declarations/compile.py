"""Compiles a project into a plan (docs/decisions/0032-declarations.md), and checks that its parts fit together."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path as File
from typing import Any, Final

from declarations.canonical import content_hash
from declarations.costs import STATE_BYTES_MAX, worst_bytes
from declarations.derived import RESERVED, Derived
from declarations.event_types import EventType, event_types
from declarations.feature_models import Expr, Feature, Ratio
from declarations.features import FeatureCompiler, formula_of
from declarations.loading import read_project
from declarations.models import AGES_S, Project
from declarations.problems import Problems, instead
from declarations.reducers import Reducers
from declarations.rows import Features, Row
from declarations.scores import ScoreCompiler
from declarations.selecting import Selector

FEATURES_MAX: Final = 1_000
SHIPPED: Final = File(__file__).with_name("retail")
_SHIPPED_NAME: Final = "v1"


def plan_of(folder: File | None) -> dict[str, Any]:
    """Return the plan of a project's folder; None is the shipped set, v1.

    Raises:
        DeclarationError: the declarations cannot be used; its lines say why.
    """
    if folder is None:
        return shipped_plan()
    project, problems = read_project(folder)
    plan = compile_project(project, problems)
    if plan["name"] == _SHIPPED_NAME and folder.resolve() != SHIPPED and plan["hash"] != shipped_plan()["hash"]:
        problems.add(("project", "name"), f"{_SHIPPED_NAME!r} is the name of the set that is shipped; take another one")
        problems.raise_if_any()
    return plan


@lru_cache(maxsize=1)
def shipped_plan() -> dict[str, Any]:
    """Return the plan of the shipped set, v1. Not to be changed."""
    project, problems = read_project(SHIPPED)
    return compile_project(project, problems)


def compile_project(project: Project, problems: Problems) -> dict[str, Any]:
    """Return a project's plan.

    Args:
        project: from `read_project`.
        problems: those found while reading.

    Raises:
        DeclarationError: there are problems, found now or before.
    """
    zone = project.settings.time_zone
    types = event_types(project, problems)
    selector = Selector(types, _broken(project, "events"), zone, problems)
    reducers = Reducers()
    rows, derived = _rows(project, FeatureCompiler(selector, reducers, zone, problems), problems)
    positions = {key: position for position, key in enumerate(reducers.found)}
    features = Features(rows, positions, zone)
    compiler = ScoreCompiler(project, derived, selector, features, problems)
    scores = compiler.scores()
    plan: dict[str, Any] = {
        "name": project.settings.name,
        "hash": "",
        "time_zone": zone,
        "sessions": project.settings.sessions,
        "ages_s": project.settings.ages_s,
        "events": [each.data for each in types.values() if each.data is not None],
        "reducers": reducers.data(),
        "features": features.data(),
        "affinities": project.settings.affinities,
        "scores": scores,
        "segments": compiler.segments(),
    }
    _check_affinities(project, derived, problems)
    _check_size(plan, rows, problems)
    problems.raise_if_any()
    _check_models(plan, problems)
    problems.raise_if_any()
    plan["hash"] = content_hash(_meaning(plan, types))
    return plan


def _rows(project: Project, compiler: FeatureCompiler, problems: Problems) -> tuple[list[Row], Derived]:
    """Return the rows of all features in their order, and what compiles expressions over them."""
    made: dict[str, list[Row]] = {}
    waiting: dict[str, tuple[Row, Feature]] = {}
    for name, feature in project.features.items():
        if name in RESERVED:
            problems.add(("features", name), f"{name!r} is reserved: expressions mean something else by it")
        if isinstance(feature, Expr | Ratio):
            formula = feature.doc or (feature.expr if isinstance(feature, Expr) else formula_of(feature))
            unit = feature.unit or ("ratio" if isinstance(feature, Ratio) else "1")
            row = Row(
                name=name,
                origin=name,
                unit=unit,
                default=feature.default,
                formula=" ".join(formula.split()),
                vector=feature.vector,
            )
            waiting[name] = (row, feature)
        else:
            made[name] = compiler.rows(name, feature)
    readers = {row.name: row for rows in made.values() for row in rows}
    _check_names(project, made, problems)
    unmade = {name for name, rows in made.items() if not rows}
    broken = unmade | _broken(project, "features") | _broken(project, "scores")
    derived = Derived(readers, broken, problems)
    found = derived.add(waiting)
    ordered = [row for name in project.features for row in made.get(name, [found[name]] if name in found else [])]
    kept = {row.name for row in ordered}
    return [row for row in ordered if row.uses <= kept], derived


def _check_names(project: Project, made: dict[str, list[Row]], problems: Problems) -> None:
    """Refuse names of expanded features that are declared, too."""
    for name, rows in made.items():
        for row in rows:
            if row.name != name and not row.hidden and row.name in project.features:
                message = f"it becomes {row.name!r}, and a feature of that name is declared"
                problems.add(("features", name), message)


def _check_affinities(project: Project, derived: Derived, problems: Problems) -> None:
    name = project.settings.affinities
    if name is None or ("features", name) in project.broken:
        return
    maps = [each for each, variable in derived.names.items() if variable.kind == "map"]
    if name not in maps and (name not in project.features or name in derived.names):
        problems.add(("project", "affinities"), f"{name!r} is no feature with 'by'{instead(name, maps)}")


def _check_models(plan: dict[str, Any], problems: Problems) -> None:
    """Refuse models that have nothing to learn from; asked when all else is right."""
    for score in plan["scores"]:
        if score.get("model") and not score["model"]["features"]:
            problems.add(
                ("scores", score["name"], "model"), "no feature is in the vector, so there is nothing to learn from"
            )


def _check_size(plan: dict[str, Any], rows: list[Row], problems: Problems) -> None:
    """Refuse a plan that is too large: too many features, or too much state of a user."""
    if len(plan["features"]) > FEATURES_MAX:
        problems.add(("features",), f"{len(plan['features'])} features, parts included; at most {FEATURES_MAX}")
    sizes = {reducer["key"]: worst_bytes(reducer) for reducer in plan["reducers"]}
    total = sum(sizes.values())
    if total <= STATE_BYTES_MAX:
        return
    largest = max(sizes, key=lambda key: sizes[key])
    origin = next((row.origin for row in rows if row.key == largest), "")
    message = (
        f"the state of a user may grow to {total:,} bytes; at most {STATE_BYTES_MAX:,}. "
        f"This feature's part, {sizes[largest]:,}, is the largest: lower 'cap', or take a longer 'hop'"
    )
    problems.add(("features", origin) if origin else ("features",), message)


def _broken(project: Project, section: str) -> frozenset[str]:
    return frozenset(str(path[1]) for path in project.broken if path[0] == section and len(path) > 1)


def _meaning(plan: dict[str, Any], types: dict[str, EventType]) -> Any:
    """Return what a plan computes, without names of files, comments, documentation, units and positions."""
    events = sorted(
        [each.meaning, each.data["fields"], sorted(each.data["roles"].items())]
        for each in types.values()
        if each.data is not None
    )
    visible = [entry for entry in plan["features"] if not entry.get("hidden")]
    features = [[entry["name"], entry["hash"], entry["vector"], entry["served"]] for entry in visible]
    scores = sorted([score["name"], score["hash"], _folder_of(score)] for score in plan["scores"])
    segments = sorted([segment["name"], segment["hash"]] for segment in plan["segments"])
    settings = [plan["name"], plan["time_zone"], plan["affinities"], plan["sessions"]]
    if plan["ages_s"] != list(AGES_S):  # plans that are older than ages have kept their hashes
        settings.append(plan["ages_s"])
    return [settings, events, features, scores, segments]


def _folder_of(score: dict[str, Any]) -> str:
    """Return where a score's models are, which is a part of what it means where it has no formula."""
    return "" if "expr" in score else score["folder"]
