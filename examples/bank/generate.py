"""Makes the events of believable holders of a bank's cards, as lines of JSON: card payments, refusals and logins.

    python -m examples.bank.generate --users 500 --days 180 > bank.jsonl

Each holder has a currency at home, a size of purse and favourite kinds of shops. Some travel, and pay in another
currency meanwhile; some use the card rarely, or leave for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from examples.generating import DAY_MS, MINUTE_MS, START_MS, Timed, main, visits

CURRENCIES = ("EUR", "EUR", "GBP", "CHF")
ABROAD = ("USD", "JPY", "THB")
SHOPS = {"groceries": 45, "restaurants": 30, "fuel": 60, "travel": 250, "online": 40, "cash": 80}  # mean amount
PAYMENTS_A_DAY_MAX = 6


def life(rng: Random, user_id: str, days: int) -> Iterator[Timed]:
    """Yield the events of one card holder."""
    currency, purse = rng.choice(CURRENCIES), rng.lognormvariate(0, 0.6)
    pause_days, hour = 1 + rng.expovariate(0.15), rng.gauss(14, 3)
    kinds = rng.sample(sorted(SHOPS), 4)
    trip_day, left_day = rng.randrange(4 * days), rng.randrange(3 * days)  # beyond the end: no trip, never leaves
    number = 0
    for visit_ms in visits(rng, min(days, left_day), pause_days, hour):
        time_ms = visit_ms
        away = trip_day <= (visit_ms - START_MS) // DAY_MS < trip_day + 12
        if rng.random() < 0.4:
            yield time_ms, _event("login", user_id, number, time_ms, {"channel": rng.choice(["WEB", "MOBILE"])})
            number += 1
        for _ in range(min(PAYMENTS_A_DAY_MAX, 1 + int(rng.expovariate(0.8)))):
            time_ms += int(rng.expovariate(1 / 40) * MINUTE_MS) + MINUTE_MS
            kind = kinds[min(3, int(rng.expovariate(0.8)))]
            paid = {
                "value": round(SHOPS[kind] * purse * rng.lognormvariate(0, 0.5), 2),
                "currency": ABROAD[number % 3] if away else currency,
                "properties": {"merchant_category": kind, "contactless": rng.random() < 0.7},
            }
            refused = rng.random() < 0.03
            yield time_ms, _event("card_declined" if refused else "card_payment", user_id, number, time_ms, paid)
            number += 1


def _event(kind: str, user_id: str, number: int, time_ms: int, more: dict[str, Any]) -> dict[str, Any]:
    event_id = f"{user_id}-{number}"
    return {"eventId": event_id, "userId": user_id, "type": kind, "eventTimeMs": time_ms, **more}


if __name__ == "__main__":
    main(life, "holder", (__doc__ or "").splitlines()[0])
