"""The feature set v1 and the scores made by formula."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given

from driftline.catalogue import V1
from tests.builders import DAY, HOUR, MINUTE, SECOND, bounds, event
from tests.unit.udfs.strategies import histories
from tests.v1 import affinities, churn_risk, engagement, vector
from udfs.event import ADD_TO_CART, CUSTOM, EMAIL_OPEN, PURCHASE, SEARCH, SURVEY_RESPONSE, VIEW, Event
from udfs.features import after_silence
from udfs.profile import Profile

DOCS = Path(__file__).parents[3] / "docs" / "features.md"


def profile_of(*events: Event) -> Profile:
    profile = Profile()
    for e in sorted(events):
        profile.fold(e, bounds().profile)
    return profile


def features(*events: Event) -> dict[str, float]:
    profile = profile_of(*events)
    values = vector(profile, affinities(profile))
    return dict(zip((feature.name for feature in V1), values, strict=True))


def test_first_event_has_the_documented_defaults() -> None:
    first = features(Event(1, "e", 8, 0.0, ""))
    changed = {"custom_rate_7d": 1.0, "purchases_per_session": 0.0, "hour_sin": pytest.approx(0, abs=1e-6)}
    assert first == {feature.name: changed.get(feature.name, feature.default) for feature in V1} | {
        "hour_cos": pytest.approx(1)
    }


def test_session_counts_durations_and_pauses() -> None:
    f = features(event(0), event(10 * SECOND, SEARCH), event(30 * SECOND, ADD_TO_CART))
    assert f["session_events"] == 3
    assert f["session_duration_s"] == 30
    assert f["session_mean_pause_s"] == 15
    assert (f["session_views"], f["session_searches"], f["session_carts"], f["session_open_carts"]) == (1, 1, 1, 1)


def test_new_session_resets_the_session_and_keeps_the_history() -> None:
    f = features(event(0, PURCHASE, value=20.0), event(10 * MINUTE), event(3 * HOUR))
    assert (f["session_events"], f["session_purchases"], f["session_purchase_value"]) == (1, 0, 0)
    assert f["hours_since_previous_session"] == pytest.approx(3 - 1 / 6)
    assert (f["sessions"], f["mean_session_events"], f["mean_session_duration_s"]) == (2, 2, 600)
    assert (f["mean_purchase_value"], f["purchases_per_session"]) == (20, 0.5)


def test_rates_halve_in_their_half_life() -> None:
    f = features(event(0, PURCHASE), event(7 * DAY))
    assert f["purchase_rate_7d"] == pytest.approx(0.5)
    assert f["purchase_rate_30d"] == pytest.approx(2 ** (-7 / 30))
    assert f["view_rate_7d"] == 1
    assert features(event(0), event(HOUR))["activity_1h"] == pytest.approx(1.5)


def test_recency_is_in_hours_and_never_is_ninety_days() -> None:
    f = features(event(0, ADD_TO_CART), event(0, EMAIL_OPEN, event_id="mail"), event(90 * MINUTE))
    assert (f["hours_since_cart"], f["hours_since_email_open"]) == (1.5, 1.5)
    assert f["hours_since_purchase"] == 2160


def test_survey_mean_and_last() -> None:
    f = features(event(0, SURVEY_RESPONSE, value=4), event(1, SURVEY_RESPONSE, value=10))
    assert (f["mean_survey_value"], f["last_survey_value"]) == (7, 10)


def test_category_switches_and_affinities_weigh_purchases_more() -> None:
    events = [event(0, VIEW, category="hats"), event(1, PURCHASE, category="shoes"), event(2, VIEW, category="shoes")]
    f = features(*events)
    assert f["session_category_switches"] == 1
    shares = affinities(profile_of(*events))
    assert dict(shares) == pytest.approx({"shoes": 0.9, "hats": 0.1})
    assert shares[0] == ("shoes", f["top_category_share"])
    assert f["current_category_share"] == f["top_category_share"]


def test_the_current_category_has_its_share_also_behind_the_served_ones() -> None:
    events = [event(n, PURCHASE, category=f"c{n:02}") for n in range(12)]
    f = features(*events, event(20, VIEW, category="last"))
    assert f["current_category_share"] == pytest.approx(1 / (12 * 8 + 1), rel=1e-6)


@pytest.mark.parametrize("kind", [10, 11, 99])
def test_a_type_that_is_new_here_counts_into_no_other_slot(kind: int) -> None:
    unknown, custom = profile_of(event(0, kind)), profile_of(event(0, CUSTOM))
    assert unknown.values == custom.values


def test_published_scores_have_twelve_decimals() -> None:
    profile = profile_of(*(event(n * HOUR + n, category=f"c{n % 7}") for n in range(50)))
    published = [engagement(profile), churn_risk(profile), *(share for _, share in affinities(profile))]
    assert published == [round(value, 12) for value in published]


def test_scores_fade_in_silence() -> None:
    daily = profile_of(*(event(n * DAY) for n in range(300)))
    values = vector(daily, affinities(daily))
    assert after_silence(values, 0) == (engagement(daily), churn_risk(daily))
    (active, _), (idle, leaving), (gone, left) = (after_silence(values, d * DAY) for d in (0, 30, 10_000))
    assert active > idle > gone == 0
    assert 0.6 < leaving < left == pytest.approx(1)


def test_at_most_ten_affinities_ties_by_name() -> None:
    shares = affinities(profile_of(*(event(0, category=f"c{n:02}", event_id=f"e{n}") for n in range(12))))
    assert [name for name, _ in shares] == [f"c{n:02}" for n in range(10)]


def test_engagement_rises_with_activity_to_one() -> None:
    first_visit, many = profile_of(event(0)), profile_of(*(event(n) for n in range(200)))
    assert engagement(first_visit) == pytest.approx(math.log(2) / math.log(101))
    assert engagement(many) == 1


def test_churn_risk_falls_for_the_growing_and_rises_for_the_fading() -> None:
    steady = profile_of(*(event(n * DAY) for n in range(300)))
    fading = profile_of(*(event(n * HOUR) for n in range(100)), event(40 * DAY))
    growing = profile_of(event(0), *(event(60 * DAY + n * HOUR) for n in range(100)))
    assert churn_risk(steady) == pytest.approx(0.5, abs=0.05)
    assert churn_risk(growing) < 0.3
    assert churn_risk(fading) > 0.5


@given(histories())
def test_features_are_finite_and_scores_within_bounds(history: list[Event]) -> None:
    profile = profile_of(*history)
    if profile.empty:
        return
    shares = affinities(profile)
    values = vector(profile, shares)
    assert len(values) == len(V1)
    assert all(math.isfinite(value) for value in values)
    assert 0 <= engagement(profile) <= 1
    assert 0 <= churn_risk(profile) <= 1
    assert all(0 <= share <= 1 for _, share in shares)


def test_documentation_lists_exactly_these_features() -> None:
    rows = [line.split("|")[1:5] for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    documented = [[cell.strip().strip("`") for cell in row] for row in rows]
    assert documented[: len(V1)] == [[f.name, f.formula, f.unit, f"{f.default:g}"] for f in V1]
