"""The summary, and what makes the demo fail."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from console.demo.freshness import Freshness
from console.demo.silence import AwayRow
from console.demo.summary import problems, summary
from console.demo.traffic import Kind
from console.progress import Drained
from sink_connectors.score_store import Progress
from tests.builders import NOW
from tests.unit.demo.builders import COUNTS, TOTALS, away, away_rows, outcome, scores


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


def test_the_summary_has_who_fell_silent() -> None:
    fell_silent = outcome(counts=COUNTS + Counter({Kind.SILENT: 300}), stay_away=away(), away=away_rows(), now_ms=NOW)
    lines = summary(fell_silent).splitlines()
    told = "    8,000 events (444 out of order), 160 repeats, 40 late, 13 malformed, 300 of shoppers who fall silent"
    assert told in lines
    assert lines[-9:] == [
        "  silence    6 shoppers with the same visits, who then stay away: their churn risk rises",
        "    looked at after 10 s of silence, and as of the largest of the project's ages that has passed",
        "    shopper        last event  scores as of      churn_risk then  now    segments",
        "    away-0d-k3f2   60 s ago    last event + 10s  0.300            0.300",
        "    away-1d-k3f2   1 d ago     last event + 1d   0.300            0.310",
        "    away-3d-k3f2   3 d ago     last event + 3d   0.300            0.330",
        "    away-7d-k3f2   7 d ago     last event + 7d   0.300            0.370  lapsed",
        "    away-14d-k3f2  14 d ago    last event + 14d  0.300            0.440  lapsed",
        "    away-30d-k3f2  30 d ago    last event + 30d  0.300            0.600  lapsed",
    ]
    assert list(problems(fell_silent)) == []


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (away_rows()[1:], "no scores for away-0d-k3f2"),
        (away_rows(age_s=0), "not everybody who fell silent was looked at within 30 s"),
        (away_rows(age_s=3_600), "not everybody who fell silent was looked at within 30 s"),
        (away_rows(churn_now=0.3), "the churn risk of away-30d-k3f2 did not rise while they were silent"),
        (
            [*away_rows(churn_now=0.29)[:1], *away_rows()[1:]],
            "the churn risk of away-0d-k3f2 fell while they were silent",
        ),
    ],
)
def test_what_silence_should_have_done_and_has_not(rows: list[AwayRow], problem: str) -> None:
    assert list(problems(outcome(stay_away=away(), away=rows))) == [problem]


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
