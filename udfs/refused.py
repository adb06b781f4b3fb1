"""Whether an id is one that a job refuses (driftline/refused_ids.py has the lists)."""

from __future__ import annotations

from typing import Final

AROUND: Final = " \t\r\n\"'"  # around an id; what is left without them is compared


def is_refused(text: str, refused: frozenset[str]) -> bool:
    """Whether an id is among those that are refused, which are in lower case and without AROUND."""
    return text.strip(AROUND).lower() in refused
