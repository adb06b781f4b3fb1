"""The same events twice: as SDKs and exports write them, and in the contract's own words."""

from __future__ import annotations

from typing import Any

from tests.builders import MINUTE, SECOND, T0

AS_EXPORTED: list[dict[str, Any]] = [
    {"type": "Product Viewed", "eventTimeMs": "2026-01-01 00:00:00 UTC", "itemId": 1001, "extra": {"deep": [1]}},
    {"type": "addtocart", "eventTimeMs": T0 + SECOND, "category": "shoes", "properties": {"coupon": None, "n": 1}},
    {"type": "order completed", "eventTimeMs": T0 + MINUTE, "value": "100.0", "currency": "eur"},
    {"type": "purchase", "eventTimeMs": T0 + 2 * MINUTE, "value": -40, "currency": "EUR"},
    {"type": "purchase", "eventTimeMs": T0 + 3 * MINUTE, "value": 12000, "currency": "JPY"},
]
IN_CONTRACT: list[dict[str, Any]] = [
    {"type": "VIEW", "eventTimeMs": str(T0), "itemId": "1001"},
    {"type": "ADD_TO_CART", "eventTimeMs": str(T0 + SECOND), "category": "shoes", "properties": {"n": "1"}},
    {"type": "PURCHASE", "eventTimeMs": str(T0 + MINUTE), "value": 100.0, "currency": "EUR"},
    {"type": "REFUND", "eventTimeMs": str(T0 + 2 * MINUTE), "value": 40, "currency": "EUR"},
    {"type": "PURCHASE", "eventTimeMs": str(T0 + 3 * MINUTE), "value": 12000, "currency": "JPY"},
]


def of_user(user_id: object, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events with ids, of a user."""
    return [{"eventId": f"e{number}", "userId": user_id} | event for number, event in enumerate(events)]
