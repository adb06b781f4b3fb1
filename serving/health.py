"""What the server says of itself over the standard health service."""

from __future__ import annotations

from enum import IntEnum

FRESH_NAME = "driftline.fresh"  # SERVING only while answers come from Redis


class Health(IntEnum):
    """How calls are answered; the numbers are those of the metric."""

    DOWN = 0  # with UNAVAILABLE
    STALE = 1  # from memory, for users that were seen lately (serve_stale)
    FRESH = 2  # from Redis
