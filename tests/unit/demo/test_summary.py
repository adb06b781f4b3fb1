"""The summary, and what makes the demo fail."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from console.demo.freshness import Freshness
from console.demo.summary import problems, summary
from console.progress import Drained
from sink_connectors.score_store import Progress
from tests.unit.demo.builders import TOTALS, outcome, scores


def test_the_summary() -> None:
    assert summary(outcome()).splitlines() == [
        "40 s of live traffic",
        "  published  8,213 events, 205/s",
        "    8,000 events (444 out of order), 160 repeats, 40 late, 13 malformed",
        "  processed  8,213 events, 205/s; the last one 0.1 s after the traffic ended",
        "  accounted  58,213 events in the topic, the history included",
        "    58,213 read = 57,020 accepted + 1,100 duplicate + 80 late + 13 dead letters",
        "  freshness  p50 61 ms, p99 95 ms, max 120 ms, publish to gRPC (70 probes)",
        "  read back over gRPC",
        "    u1     purchase_propensity 0.250  engagement 0.750  churn_risk 0.500",
    ]


def test_types_that_are_not_known_are_named() -> None:
    seen = Drained(58_213, TOTALS, unknown_types={"begin_checkout": 40, "addtocrt": 2, "": 1})
    named = "'begin_checkout' 40, 'addtocrt' 2 (near ADD_TO_CART), others 1"
    told = f"    events of types unknown here, folded as CUSTOM: 43 ({named})"
    assert told in summary(outcome(after=seen)).splitlines()


def test_probes_that_were_given_up_are_told() -> None:
    fresh = Freshness(probes=3, p50_ms=1.0, p99_ms=10_000.0, max_ms=10_000.0, last_ms=1.0, given_up=1)
    assert "(3 probes, 1 given up)" in summary(outcome(freshness=fresh))


def test_all_is_well() -> None:
    assert list(problems(outcome())) == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"after": Drained(58_220, TOTALS)}, "7 of 58,220 published events were not processed in time"),
        ({"after": Drained(58_000, TOTALS)}, "58,213 events were counted, but only 58,000 are in the topic"),
        ({"freshness": Freshness()}, "no freshness could be measured"),
        ({"scores": [], "newest_ms": {}}, "no scores of the live traffic could be read back over gRPC"),
        ({"scores": [scores(as_of_ms=999)]}, "the scores of u1 do not contain the newest event"),
        ({"newest_ms": {"u1": 1_000, "u2": 1_000}}, "no scores for u2"),
        ({"counts": Counter(), "scores": [], "freshness": Freshness()}, "no event was published"),
    ],
)
def test_what_is_not_well_is_said(changed: dict[str, Any], problem: str) -> None:
    assert list(problems(outcome(**changed))) == [problem]


def test_an_outcome_of_nothing_can_be_summed_up() -> None:
    nothing = Drained(0, Progress())
    empty = outcome(
        traffic_s=0.0, counts=Counter(), before=nothing, after=nothing, freshness=Freshness(), scores=[], newest_ms={}
    )
    assert "0 events, 0/s" in summary(empty)
