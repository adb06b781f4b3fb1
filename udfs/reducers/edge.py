"""The first and the last value, of numbers and of texts; events of the same time are in the order of the fold."""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.extreme import FlaggedNode
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required


class TextNode(Node):
    """Reads a text."""

    __slots__ = ("_slot",)

    def __init__(self, slot: int) -> None:
        self._slot = slot

    def text(self, scope: Scope) -> str:
        """Return the text; empty before there is one."""
        return scope.profile.texts[self._slot]

    def truth(self, scope: Scope) -> bool:
        """Return whether there is a text."""
        return bool(scope.profile.texts[self._slot])


class NonZeroNode(Node):
    """Reads a slot in which 0 cannot be told from nothing."""

    __slots__ = ("_default", "_slot")

    def __init__(self, slot: int, default: float) -> None:
        self._slot = slot
        self._default = default

    def number(self, scope: Scope) -> float:
        """Return the value, or the default where it is 0."""
        value = scope.values[self._slot]
        return value if value else self._default


class KeepFirst(Step):
    """Keeps the first number."""

    __slots__ = ("_slot", "_value")

    def __init__(self, slot: int, value: Node) -> None:
        self._slot = slot
        self._value = value

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Set the value if there is none."""
        values = profile.values
        if not values[self._slot + 1]:
            values[self._slot] = self._value.number(scope)
            values[self._slot + 1] = 1.0
        return 0


class KeepLast(Step):
    """Keeps the last number."""

    __slots__ = ("_flag", "_slot", "_value")

    def __init__(self, slot: int, value: Node, flag: bool) -> None:
        self._slot = slot
        self._value = value
        self._flag = flag

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Set the value."""
        values = profile.values
        values[self._slot] = self._value.number(scope)
        if self._flag:
            values[self._slot + 1] = 1.0
        return 0


class KeepText(Step):
    """Keeps the first or the last text that is not empty."""

    __slots__ = ("_last", "_slot", "_value")

    def __init__(self, slot: int, value: Node, last: bool) -> None:
        self._slot = slot
        self._value = value
        self._last = last

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Set the text."""
        texts = profile.texts
        if not self._last and texts[self._slot]:
            return 0
        text = self._value.text(scope)
        if text:
            texts[self._slot] = text
        return 0


class Edge(Kind):
    """`edge`. Params: which, first or last; text, whether it is one; flag, of last numbers only. Reads: ["value"].

    An empty text is an absent field and is skipped; before the first there is "". A number has the default then. A last
    number needs the flag where the default is not 0: without it a 0 reads as the default. (v1 has a slot without one.)
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """One text; or a number, and whether there is one."""
        if params["text"]:
            return Sizes(texts=1)
        return Sizes(values=2 if _flagged(params) else 1)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Keep a text or a number."""
        value, last = required(on.value), params["which"] == "last"
        if params["text"]:
            return KeepText(slots.text, value, last)
        return KeepLast(slots.value, value, _flagged(params)) if last else KeepFirst(slots.value, value)

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the text or the number."""
        check_read(read, "value")
        if params["text"]:
            return TextNode(slots.text)
        return FlaggedNode(slots.value, default) if _flagged(params) else NonZeroNode(slots.value, default)


def _flagged(params: dict[str, Any]) -> bool:
    return params["which"] == "first" or bool(params.get("flag", False))
