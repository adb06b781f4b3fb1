"""What a watch yields, and when it connects again. Pure: the clients do the waiting."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from driftline.client.types import Result, Scores

WAIT_S_MIN = 0.05
WAIT_S_MAX = 2.0
ACCESS_RENEWED = "ACCESS_RENEWED"  # no code of gRPC: UNAUTHENTICATED, where the client has another token by now
# How streams end that did not end by the caller's wish. CANCELLED and UNKNOWN: a server that stops cuts them off.
LOST_CODES = frozenset(
    {ACCESS_RENEWED, "UNAVAILABLE", "CANCELLED", "UNKNOWN", "INTERNAL", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
)


class WatchState:
    """The newest version of each watched user, over reconnects.

    A server sends all values anew when a watch reconnects, and it may lag behind the server before it. `news` lets
    through what changed: a newer version, or a change between scores and none.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self._generation = not fields or "generation" in fields
        self._accepted_events = not fields or "accepted_events" in fields
        self._age_s = not fields or "age_s" in fields
        self._versions: dict[str, tuple[int, int, int]] = {}
        self._statuses: dict[str, str] = {}

    def news(self, result: Result) -> Result | None:
        """The result as the caller asked for it; None where it is not new."""
        user_id, before = result.user_id, self._statuses.get(result.user_id)
        if result.scores is None:
            self._statuses[user_id] = result.status
            return result if before != result.status else None
        seen, version = self._versions.get(user_id), result.scores.version
        if seen is not None and (version < seen or (version == seen and before == "OK")):
            return None
        self._versions[user_id], self._statuses[user_id] = version, "OK"
        return replace(result, scores=self._as_asked(result.scores))

    def _as_asked(self, scores: Scores) -> Scores:
        return replace(
            scores,
            generation=scores.generation if self._generation else 0,
            accepted_events=scores.accepted_events if self._accepted_events else 0,
            age_s=scores.age_s if self._age_s else 0,
        )


class Reconnects:
    """When to connect again, and when to give up.

    The first connection is not tried again: an address that is wrong shows at once. Times are seconds of a steady
    clock.
    """

    def __init__(self, give_up_s: float) -> None:
        self._give_up_s = give_up_s
        self._connected = False
        self._lost_at_s: float | None = None
        self._attempts = 0

    def arrived(self) -> None:
        """The stream has brought something."""
        self._connected, self._lost_at_s, self._attempts = True, None, 0

    def wait_s(self, code: str, now_s: float) -> float | None:
        """How long to wait before the next attempt, after the stream ended with `code`; None to give up."""
        if not self._connected or code not in LOST_CODES | {"OK"}:
            return None
        self._lost_at_s = now_s if self._lost_at_s is None else self._lost_at_s
        if now_s - self._lost_at_s >= self._give_up_s:
            return None
        longest = min(WAIT_S_MAX, WAIT_S_MIN * 2**self._attempts)
        self._attempts += 1
        return random.uniform(WAIT_S_MIN / 2, longest)  # noqa: S311  (spreads the clients of a restarted server)
