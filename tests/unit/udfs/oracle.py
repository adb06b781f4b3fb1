"""Features and scores straight from their definitions in docs/features.md: sort, then look at every event.

Nothing here is shared with `udfs` but the events' own numbers and names. It keeps no state, decays nothing step by step
and is quadratic, so what the fold and this agree on is what the documentation says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from driftline.event.v1.event_pb2 import UserEvent
from udfs.event import Event

HOUR, DAY = 3_600_000, 86_400_000
SESSION_GAP, USER_TTL = 30 * 60_000, 90 * DAY
AMOUNTS = ("PURCHASE", "REFUND")
ATTENTION = {"PURCHASE": 8, "ADD_TO_CART": 4, "CLICK": 2}


def kind(event: Event) -> str:
    return UserEvent.Type.Name(event.type)  # type: ignore[arg-type]  # the enum's number


def alive(events: Sequence[Event]) -> list[Event]:
    """The events that count, in order: none known by the time of a FORGET, none from before the idle time."""
    forgotten = max((e.time_ms for e in events if kind(e) == "FORGET"), default=0)
    ordered = sorted((e for e in events if kind(e) != "FORGET"), key=lambda e: (e.time_ms, e.event_id))
    ordered = [e for e in ordered if min(e.time_ms, e.known_ms) > forgotten]
    return pieces(ordered, USER_TTL)[-1] if ordered else []


def pieces(events: Sequence[Event], pause_max: int) -> list[list[Event]]:
    """The events, divided where the pause between two is longer."""
    cuts = [n for n in range(1, len(events)) if events[n].time_ms - events[n - 1].time_ms > pause_max]
    return [list(events[a:b]) for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]


class Oracle:
    """Everything about one user as of the newest event; for events of which at least one counts."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = alive(events)
        self.now = max(e.time_ms for e in self.events)
        self.sessions = pieces(self.events, SESSION_GAP)
        self.session = self.sessions[-1]

    def of(self, name: str, events: Sequence[Event] | None = None) -> list[Event]:
        return [e for e in (self.events if events is None else events) if kind(e) == name]

    def decayed(self, events: Sequence[Event], half_life: float) -> float:
        return math.fsum(2 ** (-(self.now - e.time_ms) / half_life) for e in events)

    def adds_up(self, event: Event) -> bool:
        """Whether an amount is in the currency that the user's amounts named first, or in none."""
        named = [e.currency for e in self.events if kind(e) in AMOUNTS and e.currency not in (0, 0xFFFF)]
        return event.currency in (0, *named[:1])

    def spent(self, events: Sequence[Event]) -> float:
        paid = math.fsum(e.value for e in self.of("PURCHASE", events) if self.adds_up(e))
        return max(0, paid - math.fsum(e.value for e in self.of("REFUND", events) if self.adds_up(e)))

    def hours_since(self, name: str) -> float:
        return min(((self.now - e.time_ms) / HOUR for e in self.of(name)), default=2160.0)

    def weight(self, category: str) -> float:
        return math.fsum(
            ATTENTION.get(kind(e), 1) * 2 ** (-(self.now - e.time_ms) / (30 * DAY))
            for e in self.events
            if e.category == category and kind(e) != "REFUND"
        )

    def categories(self) -> set[str]:
        return {e.category for e in self.events if kind(e) != "REFUND"} - {""}

    def share(self, category: str) -> float:
        total = math.fsum(self.weight(c) for c in self.categories())
        return self.weight(category) / total

    def shares(self) -> dict[str, float]:
        return {category: self.share(category) for category in self.categories()}

    def features(self) -> dict[str, float]:
        return self._of_the_session() | self._of_the_history() | self._of_the_decayed() | self._of_categories()

    def _of_the_session(self) -> dict[str, float]:
        s = self.session
        duration = (s[-1].time_ms - s[0].time_ms) / 1000
        carts, purchases = len(self.of("ADD_TO_CART", s)), len(self.of("PURCHASE", s))
        named = [e.category for e in s if e.category and kind(e) != "REFUND"]
        before = self.sessions[-2][-1].time_ms if len(self.sessions) > 1 else None
        return {
            "session_events": len(s),
            "session_duration_s": duration,
            "session_mean_pause_s": duration / (len(s) - 1) if len(s) > 1 else 0,
            "session_views": len(self.of("VIEW", s)),
            "session_clicks": len(self.of("CLICK", s)),
            "session_carts": carts,
            "session_purchases": purchases,
            "session_searches": len(self.of("SEARCH", s)),
            "session_purchase_value": self.spent(s),
            "session_category_switches": sum(a != b for a, b in itertools.pairwise(named)),
            "session_open_carts": max(0, carts - purchases),
            "hours_since_previous_session": -1 if before is None else (s[0].time_ms - before) / HOUR,
        }

    def _of_the_history(self) -> dict[str, float]:
        ended, surveys = self.sessions[:-1], self.of("SURVEY_RESPONSE")
        purchases, carts = self.of("PURCHASE"), self.of("ADD_TO_CART")
        priced = [e for e in purchases if self.adds_up(e)]
        spans = [(e[-1].time_ms - e[0].time_ms) / 1000 for e in ended]
        return {
            "hours_since_cart": self.hours_since("ADD_TO_CART"),
            "hours_since_purchase": self.hours_since("PURCHASE"),
            "hours_since_search": self.hours_since("SEARCH"),
            "hours_since_email_open": self.hours_since("EMAIL_OPEN"),
            "tenure_days": (self.now - self.events[0].time_ms) / DAY,
            "sessions": len(self.sessions),
            "mean_session_duration_s": math.fsum(spans) / len(ended) if ended else 0,
            "mean_session_events": sum(map(len, ended)) / len(ended) if ended else 0,
            "purchases_per_session": len(purchases) / len(self.sessions),
            "purchases_per_cart": min(1, len(purchases) / len(carts)) if carts else 0,
            "mean_purchase_value": self.spent(self.events) / len(priced) if priced else 0,
            "mean_survey_value": math.fsum(e.value for e in surveys) / len(surveys) if surveys else 0,
            "last_survey_value": surveys[-1].value if surveys else 0,
        }

    def _of_the_decayed(self) -> dict[str, float]:
        hour_of_day = self.now / HOUR % 24
        names = {
            "view": "VIEW",
            "click": "CLICK",
            "cart": "ADD_TO_CART",
            "purchase": "PURCHASE",
            "search": "SEARCH",
            "survey": "SURVEY_RESPONSE",
            "email_open": "EMAIL_OPEN",
        }
        return {f"{name}_rate_7d": self.decayed(self.of(word), 7 * DAY) for name, word in names.items()} | {
            "custom_rate_7d": self.decayed([*self.of("CUSTOM"), *self.of("REFUND")], 7 * DAY),
            "activity_1h": self.decayed(self.events, HOUR),
            "activity_30d": self.decayed(self.events, 30 * DAY),
            "purchase_rate_30d": self.decayed(self.of("PURCHASE"), 30 * DAY),
            "hour_sin": math.sin(2 * math.pi * hour_of_day / 24),
            "hour_cos": math.cos(2 * math.pi * hour_of_day / 24),
        }

    def _of_categories(self) -> dict[str, float]:
        current = [e.category for e in self.session if e.category and kind(e) != "REFUND"]
        return {
            "top_category_share": max(self.shares().values(), default=0),
            "current_category_share": self.share(current[-1]) if current else 0,
        }

    def scores(self) -> dict[str, float]:
        r7, r30 = self.decayed(self.events, 7 * DAY) / 7, self.decayed(self.events, 30 * DAY) / 30
        return {
            "engagement": min(1, math.log(1 + self.decayed(self.events, 30 * DAY)) / math.log(101)),
            "churn_risk": r30 / (r7 + r30),
        }
