"""Counts of what did not fit into a user's state."""

from __future__ import annotations


class Overflows:
    """How often each bound of a user's state was exceeded."""

    __slots__ = ("amounts", "categories", "ids", "tail")

    def __init__(self) -> None:
        self.ids = 0
        self.tail = 0
        self.categories = 0
        self.amounts = 0  # left out of the sums: in another currency than the user's others

    def any(self) -> bool:
        """Whether a bound was exceeded."""
        return self.ids + self.tail + self.categories + self.amounts > 0
