"""Dead letters as the job writes them."""

from __future__ import annotations

from typing import Any

from console.dead_letters.records import DeadLetter, Place
from tests.builders import NOW, message
from udfs.rejects import InvalidEventError, Reason, reject

TOPIC = "events.dead-letter"
GOOD = message("u1").SerializeToString()


def letter(
    reason: Reason = Reason.KEY_MISMATCH,
    *,
    offset: int = 0,
    key: bytes | None = b"u1",
    value: bytes | None = GOOD,
    text: str = "why",
    failed_ms: int = NOW,
    **fields: Any,
) -> DeadLetter:
    """The dead letter of the record events:3:17."""
    rejected = reject((key, value), ("events", 3, 17), InvalidEventError(reason, text), failed_ms)
    return DeadLetter(
        place=Place(TOPIC, 0, offset),
        key=rejected.key,
        value=rejected.value,
        headers=tuple(rejected.headers.items()),
        written_ms=failed_ms + 5,
        **fields,
    )
