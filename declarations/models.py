"""A project: what its files declare, read and checked one by one; whether it fits together is for compile.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import Field

from declarations.event_models import EventDeclaration
from declarations.feature_models import Feature
from declarations.problems import Path, Place
from declarations.score_models import ExprScore, ModelScore, Segment
from declarations.value_types import Strict, Text, Truth, Zone

SECTIONS: Final = ("project", "events", "features", "scores", "segments")


class ProjectSettings(Strict):
    """What is true of the whole project."""

    name: str = Field("custom", pattern="^[a-z][a-z0-9_-]{0,39}$", description="of the feature set; in every score")
    time_zone: Zone = Field("UTC", description="of calendar features and functions")
    affinities: str | None = Field(None, description="a feature with `by`: the top entries are a score's affinities")
    sessions: Truth = Field(True, description="whether closed sessions are published")
    doc: Text = ""


@dataclass(frozen=True, kw_only=True)
class Project:
    """The declarations of a project, in the order of its files.

    Attributes:
        broken: paths of what is declared but was refused; what refers to it is not checked further.
        places: where each path stands.
    """

    settings: ProjectSettings
    events: Mapping[str, EventDeclaration]
    features: Mapping[str, Feature]
    scores: Mapping[str, ExprScore | ModelScore]
    segments: Mapping[str, Segment]
    broken: frozenset[Path] = frozenset()
    places: Mapping[Path, Place] = field(default_factory=dict, compare=False)
