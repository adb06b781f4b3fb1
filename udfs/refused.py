"""Ids that a job refuses (driftline/refused_ids.py has the lists)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

AROUND: Final = " \t\r\n\"'"  # around an id; what is left without them is compared


class Refused:
    """Ids that are refused, in any case and with whatever of AROUND around them.

    Args:
        ids: the ids; the empty one stands for those that hold nothing else.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = frozenset(one.strip(AROUND).lower() for one in ids)
        # Most ids end otherwise, and are told by that: each event asks twice.
        self._ends = AROUND + "".join(sorted({end for one in self._ids for end in (one[-1:], one[-1:].upper())}))

    def __contains__(self, text: str) -> bool:
        """Whether an id that is not empty is refused."""
        return text[-1] in self._ends and text.strip(AROUND).lower() in self._ids


NONE_REFUSED: Final = Refused()
