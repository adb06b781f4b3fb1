"""The JSON Schema of declarations, for editors: `# yaml-language-server: $schema=./declarations.schema.json`."""

from __future__ import annotations

import json
from functools import reduce
from operator import or_
from typing import Any, Final

from pydantic import TypeAdapter

from declarations.event_models import EventDeclaration
from declarations.event_types import BUILT_IN
from declarations.feature_models import FEATURES
from declarations.models import SECTIONS, ProjectSettings
from declarations.score_models import ExprScore, ModelScore, Segment
from declarations.value_types import NAME

SCHEMA_FILE: Final = "declarations.schema.json"
_DRAFT: Final = "http://json-schema.org/draft-07/schema#"  # what editors know; nothing here needs a later one
_DESCRIPTIONS: Final = {
    "project": "What is true of the whole project.",
    "events": "Types of events: built-in ones with more fields, and the project's own.",
    "features": "What is known of a user, in the order of the vector.",
    "scores": "Scores by formula or by a trained model.",
    "segments": "Users for whom a condition holds.",
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of declarations: draft 7."""
    features: Any = reduce(or_, FEATURES.values())
    sections: dict[str, Any] = {
        "project": ProjectSettings,
        "events": dict[str, EventDeclaration | None],
        "features": dict[str, features],
        "scores": dict[str, ExprScore | ModelScore],
        "segments": dict[str, Segment],
    }
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for section in SECTIONS:
        found = TypeAdapter(sections[section]).json_schema(ref_template="#/definitions/{model}")
        definitions |= found.pop("$defs", {})
        if section == "project":  # its keys may be spread over files, so none is required
            found.pop("required", None)
        properties[section] = found | {"description": _DESCRIPTIONS[section]}
    names = {"pattern": f"^{NAME}$"}
    properties["events"]["propertyNames"] = {"anyOf": [{"enum": sorted(BUILT_IN)}, names]}
    for section in ("features", "scores", "segments"):
        properties[section]["propertyNames"] = names
    return {
        "$schema": _DRAFT,
        "title": "Driftline declarations",
        "type": "object",
        "additionalProperties": False,
        "properties": {section: {"anyOf": [properties[section], {"type": "null"}]} for section in SECTIONS},
        "definitions": definitions,
    }


def schema_text() -> str:
    """Return the JSON Schema as it is written to a file."""
    return json.dumps(json_schema(), indent=2) + "\n"
