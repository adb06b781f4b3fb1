"""A project: what its files declare, read and checked one by one; whether it fits together is for compile.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import Field, field_validator

from declarations.event_models import EventDeclaration
from declarations.feature_models import Feature
from declarations.problems import Path, Place
from declarations.score_models import ExprScore, ModelScore, Segment
from declarations.value_types import Durations, Strict, Text, Truth, Zone, duration_text

AGES_MAX: Final = 32
AGES_S: Final = (3_600, 21_600, 86_400, 259_200, 604_800, 1_209_600, 2_592_000, 5_184_000)  # 1h 6h 1d 3d 7d 14d 30d 60d
SECTIONS: Final = ("project", "events", "features", "scores", "segments")


def ages_text(ages_s: Sequence[int]) -> str:
    """Return ages as they are written, with blanks between them."""
    return " ".join(duration_text(age_s * 1_000) for age_s in ages_s)


class ProjectSettings(Strict):
    """What is true of the whole project."""

    name: str = Field("custom", pattern="^[a-z][a-z0-9_-]{0,39}$", description="of the feature set; in every score")
    time_zone: Zone = Field("UTC", description="of calendar features and functions")
    affinities: str | None = Field(None, description="a feature with `by`: the top entries are a score's affinities")
    sessions: Truth = Field(True, description="whether closed sessions are published")
    ages: Durations | None = Field(
        None,
        description="how long a user has been silent when scores and segments are looked at again, ascending; "
        f"{ages_text(AGES_S)} by default, at most {AGES_MAX}; an empty list: never",
    )
    doc: Text = ""

    @field_validator("ages")
    @classmethod
    def _ascending(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is None:
            return None
        if len(value) > AGES_MAX:
            message = f"{len(value)} ages; at most {AGES_MAX}"
            raise ValueError(message)
        if list(value) != sorted(set(value)):
            message = "'ages' must ascend, as in [1h, 1d, 7d]"
            raise ValueError(message)
        return value

    @property
    def ages_s(self) -> list[int]:
        """The ages in seconds."""
        return list(AGES_S) if self.ages is None else [age_ms // 1_000 for age_ms in self.ages]


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
