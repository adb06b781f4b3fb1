"""What of a user did not fit."""

from __future__ import annotations


class Overflows:
    """How often a bound of a user was hit."""

    __slots__ = ("amounts", "categories", "ids", "tail")

    def __init__(self) -> None:
        self.ids = 0
        self.tail = 0
        self.categories = 0
        self.amounts = 0  # not added up: in another currency than the user's others

    def any(self) -> bool:
        """Whether a bound was hit."""
        return self.ids + self.tail + self.categories + self.amounts > 0
