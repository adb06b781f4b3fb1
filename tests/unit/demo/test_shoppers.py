"""The shown shoppers."""

from __future__ import annotations

import pytest

from console.demo.shoppers import Shopper, Watchlist, arrow, by_interest, sparkline
from driftline.serving.v1.scores_pb2 import CategoryAffinity, SessionSummary, UserScores


def scores(user_id: str = "u1", accepted: int = 1, purchase: float | None = 0.5, generation: int = 1) -> UserScores:
    values = {"engagement": 0.25, "churn_risk": 0.125}
    if purchase is not None:
        values["purchase_propensity"] = purchase
    return UserScores(
        user_id=user_id,
        scores=values,
        affinities=[CategoryAffinity(category="shoes", share=0.7), CategoryAffinity(category="hats", share=0.3)],
        session=SessionSummary(events=4),
        accepted_events=accepted,
        generation=generation,
    )


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([0.5], "▄"),
        ([0.0, 0.5, 1.0], "▁▅█"),
        ([0.9, 0.1], "█▁"),
        ([0.5, 0.5001], "▄▄"),  # noise stays flat
    ],
)
def test_sparkline(values: list[float], bars: str) -> None:
    assert sparkline(values) == bars


@pytest.mark.parametrize(("move", "shown"), [(0.01, "▲"), (-0.01, "▼"), (0.0, " "), (0.0001, " ")])
def test_arrow(move: float, shown: str) -> None:
    assert arrow(move) == shown


def test_a_row_shows_the_newest_scores_and_how_they_moved() -> None:
    shopper = Shopper("u1")
    assert shopper.row(0.0) is None
    shopper.update(scores(accepted=1, purchase=0.5), 0.0)
    shopper.update(scores(accepted=2, purchase=0.7), 1.0)
    row = shopper.row(1.5)
    assert row is not None
    assert (row.purchase, row.engagement, row.churn) == (0.7, 0.25, 0.125)
    assert (row.category, row.session_events, row.trend) == ("shoes", 4, (0.5, 0.7))
    assert row.move == pytest.approx(0.2)
    assert row.fresh


def test_the_same_scores_again_are_no_change() -> None:
    shopper = Shopper("u1")
    shopper.update(scores(), 0.0)
    shopper.update(scores(), 1.0)
    row = shopper.row(1.0)
    assert row is not None
    assert row.trend == (0.5,)
    assert not row.fresh


def test_another_generation_is_a_change_even_with_as_many_events() -> None:
    shopper = Shopper("u1")
    shopper.update(scores(generation=1), 0.0)
    shopper.update(scores(generation=2), 1.0)
    row = shopper.row(5.0)
    assert row is not None
    assert len(row.trend) == 2
    assert not row.fresh  # any more


def test_without_a_model_there_is_no_purchase_propensity() -> None:
    shopper = Shopper("u1")
    shopper.update(scores(purchase=None), 0.0)
    row = shopper.row(0.0)
    assert row is not None
    assert row.purchase is None
    assert row.trend == ()


def test_the_busiest_are_watched_last() -> None:
    assert by_interest({"once": 1, "bot": 90, "lively": 5, "busy": 7}) == ["lively", "once", "bot", "busy"]


def test_shoppers_keep_their_places_while_they_are_active() -> None:
    watchlist = Watchlist(3)
    watchlist.follow(["u1", "u2", "u3", "u4"])
    assert watchlist.user_ids == ["u1", "u2", "u3"]
    watchlist.follow(["u4", "u3", "u1"])
    assert watchlist.user_ids == ["u1", "u4", "u3"]


def test_the_quiet_stay_while_nobody_else_is_there() -> None:
    watchlist = Watchlist(2)
    watchlist.follow(["u1"])
    watchlist.follow([])
    assert watchlist.user_ids == ["u1"]
    watchlist.follow(["u2"])
    assert watchlist.user_ids == ["u2"]


def test_only_shown_shoppers_with_scores_have_rows() -> None:
    watchlist = Watchlist(2)
    watchlist.follow(["u1", "u2"])
    watchlist.update([scores("u2"), scores("other")], 0.0)
    assert [row.user_id for row in watchlist.rows(0.0)] == ["u2"]
