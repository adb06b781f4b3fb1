"""What is read of a profile by a plan."""

from __future__ import annotations


class Reading:
    """The features and scores of a user as of a time.

    Attributes:
        vector: what models see, float32 little-endian.
        scores: those by formula, in the plan's order.
        affinities: the top entries of the feature that is served as affinities, with their shares.
        traits: the text features that are served, by name, without empty ones.
        tops: the top entries of other maps that are served, by name.
    """

    __slots__ = ("affinities", "scores", "tops", "traits", "vector")

    def __init__(
        self,
        vector: bytes,
        scores: list[float],
        affinities: list[tuple[str, float]],
        traits: list[tuple[str, str]],
        tops: list[tuple[str, list[tuple[str, float]]]],
    ) -> None:
        self.vector = vector
        self.scores = scores
        self.affinities = affinities
        self.traits = traits
        self.tops = tops
