"""Rows, snapshots and outcomes for the tests of the demo."""

from __future__ import annotations

from collections import Counter
from typing import Any

from console.demo.freshness import Freshness
from console.demo.monitor import Snapshot
from console.demo.shoppers import ShopperRow
from console.demo.silence import AWAY_DAYS, Away, AwayRow
from console.demo.summary import Outcome
from console.demo.traffic import Kind
from console.progress import Drained
from driftline.serving.v1.scores_pb2 import CategoryAffinity, UserScores
from sink_connectors.score_store import Progress
from tests.builders import DAY, NOW

TOTALS = Progress(accepted=57_020, duplicate=1_100, late=80, dead_letter=13)
COUNTS = Counter({Kind.EVENT: 8_000, Kind.REPEAT: 160, Kind.LATE: 40, Kind.MALFORMED: 13})
FRESHNESS = Freshness(probes=70, p50_ms=61.4, p99_ms=95.0, max_ms=120.0, last_ms=58.0)


def row(user_id: str = "u1", **changed: Any) -> ShopperRow:
    fields: dict[str, Any] = {
        "purchase": 0.123,
        "move": 0.01,
        "engagement": 0.456,
        "churn": 0.789,
        "category": "sportswear",
        "session_events": 12,
        "trend": (0.1, 0.2, 0.123) * 5,
        "fresh": False,
    }
    return ShopperRow(user_id=user_id, **(fields | changed))


def away() -> list[Away]:
    return [Away(f"away-{days}d-k3f2", days) for days in AWAY_DAYS]


def away_rows(**changed: Any) -> list[AwayRow]:
    """The shoppers of `away`, looked at; the churn risk rises from 0.3 by a hundredth a day."""
    return [_away_row(one, changed) for one in away()]


def _away_row(one: Away, changed: dict[str, Any]) -> AwayRow:
    fields: dict[str, Any] = {
        "user_id": one.user_id,
        "last_ms": NOW - one.days * DAY - 60_000,
        "age_s": one.days * 86_400 or 10,
        "churn_then": 0.3,
        "churn_now": 0.3 + one.days / 100,
        "segments": ("lapsed",) if one.days >= 7 else (),
    }
    return AwayRow(**(fields | changed))


def snapshot(rows: int = 8, **changed: Any) -> Snapshot:
    fields: dict[str, Any] = {
        "running_s": 65.0,
        "counts": COUNTS,
        "out_of_order": 444,
        "published_per_s": 200.4,
        "scored_per_s": 199.6,
        "waiting": 12,
        "totals": TOTALS,
        "freshness": FRESHNESS,
        "rows": [row(f"u{number}") for number in range(rows)],
        "away": away_rows(),
        "model_version": "20260105T101500-3f9c0d1a",
    }
    return Snapshot(**(fields | changed))


def scores(user_id: str = "u1", as_of_ms: int = 1_000) -> UserScores:
    return UserScores(
        user_id=user_id,
        scores={"purchase_propensity": 0.25, "churn_risk": 0.5, "engagement": 0.75},
        affinities=[CategoryAffinity(category="shoes", share=1.0)],
        as_of_event_time_ms=as_of_ms,
    )


def outcome(**changed: Any) -> Outcome:
    fields: dict[str, Any] = {
        "traffic_s": 40.0,
        "drained_s": 0.1,
        "counts": COUNTS,
        "out_of_order": 444,
        "before": Drained(50_000, Progress(accepted=50_000)),
        "after": Drained(58_213, TOTALS),
        "freshness": FRESHNESS,
        "newest_ms": {"u1": 1_000},
        "scores": [scores()],
    }
    return Outcome(**(fields | changed))
