"""Refunds are no purchases, and amounts in different currencies are never added up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.catalogue import V1
from driftline.errors import SettingError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.metrics import JobMetric
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import processor_of
from state_schemas.user_state import decode_user, encode_user
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    T0,
    States,
    block,
    bounds,
    fold_block,
    job_settings,
    message,
    timelines,
    to_message,
)
from tests.unit.udfs.strategies import arrivals, histories
from tests.v1 import affinities, churn_risk, vector
from udfs.decode import validate
from udfs.event import ADD_TO_CART, CUSTOM, PURCHASE, REFUND, VIEW, Event
from udfs.money import AS_GIVEN, LEFT_OUT, NUMBERS, Currencies
from udfs.profile import Profile
from udfs.timeline import Timeline

IN_EUR = Currencies("EUR", {"JPY": 0.01, "USD": 0.5})


def profile_of(*messages: UserEvent, currencies: Currencies = AS_GIVEN) -> Profile:
    profile = Profile()
    for event in sorted(validate(m, currencies) for m in messages):
        profile.fold(event, bounds().profile)
    return profile


def features(*messages: UserEvent, currencies: Currencies = AS_GIVEN) -> dict[str, float]:
    profile = profile_of(*messages, currencies=currencies)
    return dict(zip((f.name for f in V1), vector(profile, affinities(profile)), strict=True))


def bought(at_ms: int, value: float, currency: str = "", kind: int = PURCHASE, **fields: Any) -> UserEvent:
    return message(at_ms=at_ms, type=kind, value=value, currency=currency, **fields)


@pytest.mark.parametrize("back", [bought(9 * MINUTE, -100, "EUR"), bought(9 * MINUTE, 100, "EUR", REFUND)])
def test_a_refund_is_no_purchase_and_reduces_the_purchase_value(back: UserEvent) -> None:
    cart = message(type=ADD_TO_CART, category="shoes")
    kept = features(
        cart, bought(MINUTE, 100, "EUR", category="shoes"), message(at_ms=9 * MINUTE, type=CUSTOM, name="n")
    )
    returned = features(cart, bought(MINUTE, 100, "EUR", category="shoes"), back)
    changed = {
        "session_purchase_value": 0.0,
        "mean_purchase_value": 0.0,
        "current_category_share": kept["current_category_share"],
    }
    assert returned == kept | changed
    assert (returned["session_purchases"], returned["purchases_per_cart"], returned["hours_since_purchase"]) == (
        1,
        1,
        8 / 60,
    )


def test_a_refund_alone_is_neither_purchase_nor_interest_nor_negative() -> None:
    f = features(bought(0, -59.9, "EUR", category="shoes"))
    assert (f["session_events"], f["activity_30d"], f["session_purchases"], f["purchase_rate_7d"]) == (1, 1, 0, 0)
    assert (f["mean_purchase_value"], f["session_purchase_value"], f["top_category_share"]) == (0, 0, 0)
    assert f["hours_since_purchase"] == 2160


def test_a_refund_counts_as_activity_in_both_rates_of_the_churn_risk() -> None:
    plain = profile_of(message(), message(at_ms=HOUR))
    refunded = profile_of(message(), bought(HOUR, -1))
    assert churn_risk(refunded) == churn_risk(plain)


def test_a_refund_of_an_earlier_session_comes_off_the_whole_and_off_its_own_session() -> None:
    f = features(bought(0, 100), bought(3 * HOUR, -30), bought(3 * HOUR + 1, 50))
    assert (f["session_purchase_value"], f["mean_purchase_value"], f["session_purchases"]) == (20, 60, 1)
    later = features(bought(0, 100), bought(3 * HOUR, -30), bought(9 * HOUR, 50))
    assert later["session_purchase_value"] == 50


def test_amounts_in_two_currencies_are_not_added_up() -> None:
    f = features(bought(0, 12_000, "JPY"), bought(MINUTE, 30, "EUR"), bought(2 * MINUTE, -5, "EUR"))
    assert (f["session_purchases"], f["session_purchase_value"], f["mean_purchase_value"]) == (2, 12_000, 12_000)


def test_amounts_are_converted_by_the_declared_table() -> None:
    f = features(bought(0, 12_000, "jpy"), bought(MINUTE, 30, "EUR"), bought(2, 10), currencies=IN_EUR)
    assert (f["session_purchase_value"], f["mean_purchase_value"]) == (160, 160 / 3)


@pytest.mark.parametrize("currency", ["GBP", "XYZ", "€", "points", "E" * 1_000])
def test_an_amount_without_a_rate_is_left_out_but_its_purchase_is_not(currency: str) -> None:
    f = features(bought(0, 10, currency), bought(1, 30, "EUR"), currencies=IN_EUR)
    assert (f["session_purchases"], f["session_purchase_value"], f["mean_purchase_value"]) == (2, 30, 30)


@pytest.mark.parametrize("currency", ["XYZ", "€", "points"])
def test_an_unknown_currency_is_not_added_up(currency: str) -> None:
    f = features(bought(0, 10, currency), bought(1, 30, currency))
    assert (f["session_purchases"], f["session_purchase_value"], f["mean_purchase_value"]) == (2, 0, 0)


@pytest.mark.parametrize(("written", "meant"), [("eur", "EUR"), (" Eur ", "EUR"), ("gbp", "GBP")])
def test_currencies_are_known_in_any_case(written: str, meant: str) -> None:
    assert AS_GIVEN.amount(1.0, written) == (1.0, NUMBERS[meant])


PRICED = histories(kinds=st.integers(VIEW, CUSTOM))


@given(PRICED)
def test_naming_the_one_currency_changes_nothing(history: list[Event]) -> None:
    plain, named = Profile(), Profile()
    for e in history:
        plain.fold(Event(e.time_ms, e.event_id, e.type, e.value, e.category), bounds().profile)
        number = NUMBERS["GBP"] if e.type == PURCHASE else 0
        named.fold(Event(e.time_ms, e.event_id, e.type, e.value, e.category, currency=number), bounds().profile)
    assert vector(named, affinities(named)) == vector(plain, affinities(plain))


@settings(max_examples=30)
@given(st.data())
def test_the_order_of_arrival_does_not_choose_the_currency(data: st.DataObject) -> None:
    history = data.draw(histories(kinds=st.sampled_from([PURCHASE, REFUND, VIEW])))
    processor, vectors = processor_of(job_settings(), {}), []
    for events in (history, data.draw(arrivals(history)).events):
        states = States()
        users = timelines(states)
        for e in events:  # a block each: the state is read and written in between
            sent = block(to_message("u1", e))
            sent = type(sent)(sent.keys, sent.values, sent.partitions, sent.offsets, [-1])
            fold_block(processor, sent, ShardState(), users, T0 + 4_000 * DAY)
        profile = decode_user(states["u1"], bounds()).profile()
        vectors.append(vector(profile, affinities(profile)))
    assert vectors[0] == vectors[1]


def test_the_state_keeps_the_currency_of_the_tail_and_of_the_sum() -> None:
    timeline = Timeline.begin(bounds())
    for e in (
        Event(T0, "a", PURCHASE, 5.0, "", currency=NUMBERS["JPY"]),
        Event(T0 + HOUR, "b", PURCHASE, 7.0, "", currency=NUMBERS["EUR"]),
        Event(T0 + HOUR + 1, "c", PURCHASE, 9.0, "", currency=LEFT_OUT),
        Event(T0 + HOUR + 2, "d", REFUND, 1.0, "", currency=NUMBERS["JPY"]),
    ):
        timeline.offer(e)
    again = decode_user(encode_user(timeline), bounds())
    assert again.waiting() == timeline.waiting()
    assert again.profile().values == timeline.profile().values
    assert encode_user(again) == encode_user(timeline)


def test_amounts_left_out_are_counted() -> None:
    processor = processor_of(job_settings(currency="EUR", currency_rates="USD=0.92"), {})
    sent = block(
        bought(0, 1, "JPY"), bought(1, -1, "JPY"), bought(2, 1, "USD"), bought(3, 1, ""), message(at_ms=5 * MINUTE)
    )
    result = fold_block(processor, sent, ShardState(), timelines(), T0 + HOUR)
    assert result.counts[JobMetric.AMOUNTS_LEFT_OUT] == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"currency": "euro"}, "currency should be empty or a code of ISO 4217"),
        ({"currency_rates": "USD=0.9"}, "currency_rates needs currency"),
        ({"currency": "EUR", "currency_rates": "USD"}, "currency_rates should be codes of ISO 4217"),
        ({"currency": "EUR", "currency_rates": "USD=0"}, "currency_rates should be codes of ISO 4217"),
        ({"currency": "EUR", "currency_rates": "USD=nan"}, "currency_rates should be codes of ISO 4217"),
        ({"currency": "EUR", "currency_rates": "EUR=1"}, "currency_rates should be codes of ISO 4217"),
        ({"currency": "EUR", "currency_rates": "USD=1,USD=2"}, "currency_rates has 'USD' twice"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        job_settings(**given)
