"""What is read of a profile by a plan."""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """The features and scores of a user as of the newest event."""

    vector: bytes  # what models see, float32 little-endian
    scores: list[float]  # those by formula, in the plan's order
    affinities: list[tuple[str, float]]  # the top entries of the feature that is served as affinities, with shares
    traits: list[tuple[str, str]]  # the text features that are served, by name, without empty ones
    tops: list[tuple[str, list[tuple[str, float]]]]  # the top entries of other maps that are served, by name
