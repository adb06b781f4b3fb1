"""The layouts that users' states are written in and may have been written in before."""

from __future__ import annotations

from collections.abc import Iterable

from state_schemas import codec
from udfs.plan.layout import BASE, Layout, first_layout


class StoredLayouts:
    """The present layout, which states are written in, and all that they may be read in.

    Args:
        present: of the plan.
        known: those that the shards' states name, as `Layout.to_json` wrote them; v1's is always known.
    """

    def __init__(self, present: Layout, known: Iterable[bytes] = ()) -> None:
        self.present = present
        self._known: dict[int, Layout] = {BASE: first_layout(), present.id: present}
        for stored in known:
            self.add(stored)

    def add(self, stored: bytes) -> None:
        """Add a layout that a shard's state names."""
        layout = Layout.from_json(stored)
        self._known.setdefault(layout.id, layout)

    def find(self, layout_id: int) -> Layout:
        """Return a layout.

        Raises:
            StateFormatError: it is not known, so the state cannot be read.
        """
        layout = self._known.get(layout_id)
        if layout is None:
            message = f"a user's state names the layout {layout_id:016x}, which its shard's state does not have"
            raise codec.StateFormatError(message)
        return layout


FIRST = StoredLayouts(first_layout())  # of v1 alone
