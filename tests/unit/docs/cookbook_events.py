"""Events by which the cookbook is tried: of each feature, somebody should have another value than the default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_MONDAY = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_OF_THE_CONTRACT = ("itemId", "category", "value", "currency")

Event = dict[str, Any]


def at(days: float, kind: str, user: str = "u", **fields: Any) -> Event:
    """An event some days after Monday, 5 January 2026, 8:00 UTC."""
    time_ms = int((_MONDAY + timedelta(days=days)).timestamp() * 1000)
    own = {name: value for name, value in fields.items() if name in _OF_THE_CONTRACT}
    properties = {name: _text(value) for name, value in fields.items() if name not in _OF_THE_CONTRACT}
    return {"userId": user, "type": kind, "eventTimeMs": time_ms, "properties": properties, **own}


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


MINUTE = 1 / 1440
HOUR = 1 / 24


def _retail() -> list[Event]:
    bought = [
        at(10 * n, "PURCHASE", "buyer", category="shoes", brand="acme", value=200, currency="EUR", discount=20)
        for n in range(4)
    ]
    back = [
        at(40, "VIEW", "buyer", category="shoes", brand="acme"),
        at(40.01, "ADD_TO_CART", "buyer", category="hats", brand="other"),
        at(40.1, "VIEW", "buyer", category="hats"),
    ]
    return [*bought, at(31, "REFUND", "buyer", value=50, currency="EUR"), *back]


def _media() -> list[Event]:
    daily: list[Event] = []
    for day in range(8):
        seconds = 30 if day == 7 else 1_700
        fields: Event = {"itemId": f"t{day}", "series": "s1", "genres": ["documentary", "crime"], "seconds": seconds}
        daily.append(at(day, "play", **fields, length_s=1_800))
    other = [at(8, "play", itemId="x", series="s2", seconds=100, length_s=900), at(8.01, "like", series="s2")]
    evening = [at(9 + n * MINUTE, "play", "v", itemId=f"e{n}", series="s3", seconds=50, length_s=60) for n in range(4)]
    there_and_back = [
        at(10 + n * MINUTE, "play", "w", itemId=f"w{n}", series=f"s{n}", seconds=50, length_s=60) for n in range(2)
    ]
    return [*daily, *other, *evening, *there_and_back]


def _fintech() -> list[Event]:
    usual = [
        at(n, "payment", value=10 + n, currency="EUR", merchant=f"m{n}", category="food", country="DE")
        for n in range(6)
    ]
    login = [at(-1, "login", device="phone", country="DE"), at(5.9, "login", device="laptop", country="DE")]
    odd = [
        at(6 + n * MINUTE, "payment", value=300, currency="EUR", merchant=f"x{n}", category="gambling", country=country)
        for n, country in enumerate(("DE", "DE", "FR", "FR", "FR"))
    ]
    declined = at(
        6 + 6 * MINUTE, "payment", value=900, currency="EUR", category="gambling", country="FR", declined=True
    )
    return [login[0], at(-0.5, "top_up", value=2_000, currency="EUR"), *usual, login[1], *odd, declined]


def _saas() -> list[Event]:
    begun = [at(0, "signup", plan="pro", trial_ends="2026-01-14"), at(0.1, "invited")]
    used = [
        at(5 + n * HOUR, "feature_used", feature=feature, member=f"m{n}")
        for n, feature in enumerate(
            ("export", "chart", "share", "chart", "export", "export", "export", "chart", "chart")
        )
    ]
    weekdays = [at(day + 0.3, "feature_used", feature="chart", member="m1") for day in (1, 2, 3, 4, 6, 7)]
    trouble = [at(7.35 + n * MINUTE, "error_shown") for n in range(3)]
    late = [at(7.4, "ticket", severity="urgent"), at(7.41, "plan_changed", plan="team", seats=7)]
    return [*begun, *weekdays[:4], *used, *weekdays[4:], *trouble, *late]


COOKBOOK_EVENTS: Mapping[str, list[Event]] = {
    "Retail": _retail(),
    "Media": _media(),
    "Fintech": _fintech(),
    "SaaS": _saas(),
}
