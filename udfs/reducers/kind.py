"""What a kind of reducer is: how much of a profile it needs, what an event changes, and how it is read."""

from __future__ import annotations

from typing import Any, NamedTuple

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile


class Sizes(NamedTuple):
    """How many elements a reducer needs of each area of a profile."""

    values: int = 0
    texts: int = 0
    maps: int = 0
    series: int = 0
    tables: int = 0


class Slots(NamedTuple):
    """The index of a reducer's first element in each area; meaningless where it needs none."""

    value: int = 0
    text: int = 0
    map: int = 0
    series: int = 0
    table: int = 0


class On(NamedTuple):
    """What a reducer takes of the events of one type.

    Attributes:
        value: the number or text that is aggregated, None for a count.
        key: the text of the dimension, None without one.
        weight: of each event, for counts and sums.
    """

    value: Node | None
    key: Node | None
    weight: float


class Step:
    """What an event of one type changes in a profile."""

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Fold the next event, in the order of (time, id); returns how many entries were dropped for a bound.

        Args:
            profile: also `scope.profile`; only the reducer's own slots may be read or changed.
            event: also `scope.event`.
            scope: for expressions.
        """
        raise NotImplementedError


class Kind:
    """A kind of reducer; `params` and `read` are those of the plan. Stateless: one instance serves all plans."""

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """Return how much of a profile a reducer with these parameters needs."""
        raise NotImplementedError

    def half_life_ms(self, params: dict[str, Any]) -> float:
        """Return the half-life with which all its values and maps decay in event time; 0: they do not."""
        return 0.0

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Return the step for the events of one type."""
        raise NotImplementedError

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the node of a feature that reads it.

        Args:
            params: of the reducer.
            slots: of the reducer.
            read: the name of a way to read, and its arguments.
            default: what a number is before there is anything to compute it from.
        """
        raise NotImplementedError


def required(node: Node | None) -> Node:
    """Return a node that a kind cannot do without.

    Raises:
        ValueError: the plan's reducer lacks it.
    """
    if node is None:
        message = "a reducer of the plan lacks the value or key that its kind needs"
        raise ValueError(message)
    return node


def check_read(read: list[Any], *names: str) -> None:
    """Check the way to read that the plan asks for.

    Raises:
        ValueError: the kind has none of this name.
    """
    if read[0] not in names:
        message = f"a reducer of the plan is read as {read}; its kind can be read as {names}"
        raise ValueError(message)
