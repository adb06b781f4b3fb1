"""The schema that editors check by accepts what the reader accepts, and refuses unknown keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from declarations.schema import json_schema
from declarations.starting import TEMPLATES
from tests.unit.declarations.projects import EVENTS

SCHEMA = Draft7Validator(json_schema())
FILES = sorted(file for folder in TEMPLATES.values() for file in folder.glob("*.yaml"))


def _data(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_it_is_a_schema_of_draft_7() -> None:
    Draft7Validator.check_schema(json_schema())
    assert "$defs" not in str(json_schema())


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_it_accepts_what_is_shipped(file: Path) -> None:
    assert list(SCHEMA.iter_errors(_data(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "features: {a: {count: play, windw: 7d}}",
        "features: {a: {count: play, window: 7}}",
        "features: {a: {of: play}}",
        "features: {A: {count: play}}",
        "features: {a: {count: []}}",
        "features: {a: {count: play, cap: 2000, by: x}}",
        "featurs: {}",
        "events: {play: {fields: {a: {type: text}}}}",
        "events: {Play: {}}",
        "project: {sessions: 'no'}",
        "scores: {a: {model: classification}}",
        "segments: {a: {enters: x}}",
    ],
)
def test_it_refuses_what_is_wrong(text: str) -> None:
    assert list(SCHEMA.iter_errors(_data(text)))


@pytest.mark.parametrize(
    "text",
    [
        EVENTS,
        "features:\n",
        "events: {VIEW: , play: {}}",
        "project: {time_zone: UTC}",
        "features: {a: {last: x, default: -1, of: [VIEW, CLICK]}, b: {ratio: [a, a]}}",
        "scores: {a: {model: regression, estimator: {name: Ridge, params: {alpha: 2}}, label: {sum: x, within: 4w}}}",
    ],
)
def test_it_accepts_what_is_right(text: str) -> None:
    assert list(SCHEMA.iter_errors(_data(text))) == []
