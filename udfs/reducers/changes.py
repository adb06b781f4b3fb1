"""How often a text differed from the one before."""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.inputs import Slot
from udfs.expressions.node import Node, Scope
from udfs.profile import Profile
from udfs.reducers.edge import TextNode
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required


class CountChange(Step):
    """Counts a text that differs, and keeps it."""

    __slots__ = ("_slot", "_text_slot", "_value")

    def __init__(self, slot: int, text_slot: int, value: Node) -> None:
        self._slot = slot
        self._text_slot = text_slot
        self._value = value

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Compare the texts; an empty one is skipped."""
        text = self._value.text(scope)
        texts = profile.texts
        before = texts[self._text_slot]
        if not text or text == before:
            return 0
        if before:
            profile.values[self._slot] += 1.0
        texts[self._text_slot] = text
        return 0


class Changes(Kind):
    """`changes`. No params. Reads: ["value"], the number of changes, and ["text"], the last text.

    The first text is no change, and an empty one, an absent field, is skipped.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """The number of changes, and the last text."""
        return Sizes(values=1, texts=1)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Compare each text."""
        return CountChange(slots.value, slots.text, required(on.value))

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the number, which is 0 of nothing, whatever the default; or the text."""
        check_read(read, "value", "text")
        return Slot(slots.value) if read[0] == "value" else TextNode(slots.text)
