"""Lists of texts as one text: how a field of several texts is kept in an event and in the state."""

from __future__ import annotations

from typing import Final

SEPARATOR: Final = "\x1f"  # ASCII's unit separator


def texts_of(joined: str) -> list[str]:
    """Return the texts of a list, without empty ones; of a single text itself."""
    if SEPARATOR not in joined:
        return [joined] if joined else []
    return [text for text in joined.split(SEPARATOR) if text]
