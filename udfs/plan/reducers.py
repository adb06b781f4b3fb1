"""The reducers of a plan, each with its kind and its place in the layout."""

from __future__ import annotations

from typing import Any, Final

from udfs.expressions.node import Node
from udfs.reducers.kind import Kind, Sizes, Slots
from udfs.reducers.kinds import KINDS

LIFETIME: Final = "lifetime"
SESSION: Final = "session"
PREVIOUS: Final = "previous_session"
NO_SOURCE: Final = -1


class Reducer:
    """A reducer of a plan.

    Attributes:
        scope: LIFETIME, SESSION or PREVIOUS.
        slots, sizes: of its state.
        source: of one of the previous session, the position of the reducer whose state it gets when a session ends;
            else NO_SOURCE.
    """

    def __init__(self, kind: Kind, params: dict[str, Any], scope: str, slots: Slots, source: int) -> None:
        self.kind = kind
        self.params = params
        self.scope = scope
        self.slots = slots
        self.sizes = kind.sizes(params)
        self.source = source

    def reader(self, read: list[Any], default: float) -> Node:
        """Return the node of a feature that reads it."""
        return self.kind.reader(self.params, self.slots, read, default)


def sizes_of(data: dict[str, Any]) -> Sizes:
    """Return how much of a profile a reducer needs, from the plan's data."""
    return KINDS[data["kind"]].sizes(data["params"])
