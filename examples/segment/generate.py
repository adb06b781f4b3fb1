"""Makes the calls that believable users of a product send through Segment: identify, page and track, as lines of JSON.

    python -m examples.segment.generate --users 500 --days 90 > segment.jsonl

Users sign up, look around, make reports and invite others. Who has invited somebody, and looks at what plans cost, is
likely to upgrade: that is what the model of `upgrade_soon` can learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

from examples.generating import MINUTE_MS, SECOND_MS, Timed, main, visits

PAGES = ("/home", "/reports", "/reports/new", "/team", "/billing", "/docs")
SOURCES = ("search", "friend", "ad", "conference")
CALLS_A_VISIT_MAX = 20
PLANS = ("trial", "basic", "pro")


class _Caller:
    """Makes the calls of one user, with Segment's fields around them."""

    def __init__(self, user_id: str, library: str) -> None:
        self._user_id = user_id
        self._library = library
        self._number = 0

    def call(self, kind: str, time_ms: int, **own: Any) -> Timed:
        """Return a call of Segment's spec."""
        at = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._number += 1
        message_id = f"{self._user_id}-{self._number}"
        context = {"library": {"name": self._library, "version": "2.1.0"}}
        common = {"messageId": message_id, "timestamp": at, "userId": self._user_id, "type": kind, "context": context}
        return time_ms, common | own


def life(rng: Random, user_id: str, days: int) -> Iterator[Timed]:
    """Yield the calls of one user."""
    caller = _Caller(user_id, rng.choice(("analytics.js", "analytics-ios")))
    team, keen, plan = rng.choice((1, 1, 3, 12)), rng.random(), 0
    invited = 0
    coming = visits(rng, days, 1.2 + 5 * (1 - keen), rng.gauss(13, 3), rng.random() * 0.7 * days)
    for visit, visit_ms in enumerate(coming):
        time_ms, looked = visit_ms, 0
        if visit == 0:
            properties = {"source": rng.choice(SOURCES)}
            yield caller.call("track", time_ms, event="Signed Up", properties=properties)
        if visit % 5 == 0:
            traits = {"plan": PLANS[plan], "seats": team, "email": f"{user_id}@example.com"}
            yield caller.call("identify", time_ms + SECOND_MS, traits=traits)
        for _ in range(min(CALLS_A_VISIT_MAX, 1 + int(rng.expovariate(0.25)))):
            time_ms += MINUTE_MS + int(rng.expovariate(0.5) * MINUTE_MS)
            path = rng.choice(PAGES)
            looked += path == "/billing"
            yield caller.call("page", time_ms, name=path.strip("/"), category="app", properties={"path": path})
            if rng.random() < 0.2 + 0.2 * keen:
                made = {"rows": int(rng.lognormvariate(5, 1)), "kind": rng.choice(("table", "chart", "board"))}
                yield caller.call("track", time_ms + 5 * SECOND_MS, event="Report Created", properties=made)
            if invited < team - 1 and rng.random() < 0.1 * keen:
                invited += 1
                role = {"role": rng.choice(("editor", "viewer"))}
                yield caller.call("track", time_ms + 9 * SECOND_MS, event="Invite Sent", properties=role)
        if plan < len(PLANS) - 1 and rng.random() < 0.01 + 0.15 * keen * min(2, looked) * min(2, invited):
            plan += 1
            bought = {"plan": PLANS[plan], "revenue": 19.0 * plan * team, "currency": "USD"}
            yield caller.call("track", time_ms + MINUTE_MS, event="Plan Upgraded", properties=bought)


if __name__ == "__main__":
    main(life, "member", (__doc__ or "").splitlines()[0])
