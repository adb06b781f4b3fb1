"""Each kind of reducer with plain values, and what its documentation promises."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.builders import DAY, HOUR, MINUTE, T0
from tests.unit.udfs.reducers.folding import Folded, Taken, packed
from udfs.event import Event

PLAY, LIKE, OTHER = 11, 12, 13
NUMBER, TEXT, KEY = Taken("number"), Taken("text"), Taken(key=True)


def event(at_ms: int, number: float = 0.0, text: str = "", key: str = "", kind: int = PLAY) -> Event:
    return Event(T0 + at_ms, f"e{at_ms:013}", kind, 0.0, "", numbers=(number,), texts=(text, key))


def folded(kind: str, taken: Taken, *events: Event, **params: Any) -> Folded:
    return Folded(kind, params, {PLAY: taken}).add_all(events)


def window(agg: str, *events: Event, hops: int = 2) -> Folded:
    taken = Taken() if agg == "count" else NUMBER
    return folded("window", taken, *events, hop_ms=HOUR, hops=hops, agg=agg)


def test_types_of_an_event_weigh_as_declared() -> None:
    both = Folded("count", {}, {PLAY: Taken(weight=1.0), LIKE: Taken(weight=3.0)})
    both.add_all([event(0), event(1, kind=LIKE), event(2, kind=OTHER)])
    assert both.read(["value"]) == 4.0


def test_a_window_reads_its_hops_and_the_one_that_has_begun() -> None:
    plays = window("count", event(0), event(HOUR), event(2 * HOUR + MINUTE), event(2 * HOUR + 2 * MINUTE))
    assert [plays.read(["sum", n]) for n in (1, 2)] == [3.0, 4.0]
    plays.add(event(4 * HOUR, kind=OTHER))
    assert [plays.read(["sum", n]) for n in (1, 2)] == [0.0, 2.0]


@pytest.mark.parametrize("age_ms", [2 * HOUR - 1, 2 * HOUR, 3 * HOUR - 1, 3 * HOUR])
def test_a_window_holds_at_least_its_length_and_at_most_a_hop_more(age_ms: int) -> None:
    for begin_ms in (0, 1, HOUR - 1):
        plays = window("count", event(begin_ms), event(begin_ms + age_ms, kind=OTHER))
        if age_ms <= 2 * HOUR:
            assert plays.read(["sum", 2]) == 1.0
        if age_ms >= 3 * HOUR:
            assert plays.read(["sum", 2]) == 0.0


def test_buckets_that_no_window_reads_are_dropped_when_another_begins() -> None:
    plays = window("sum", event(0, 5.0), event(MINUTE, 6.0), event(2 * HOUR, 7.0))
    hour = float(T0 // HOUR)
    assert plays.own_series() == [[hour, 11.0, hour + 2, 7.0]]
    assert plays.add_all([event(3 * HOUR, 8.0)]).own_series() == [[hour + 2, 7.0, hour + 3, 8.0]]


def test_the_extremes_of_a_window_leave_with_their_buckets() -> None:
    longest = window("max", event(0, 9.0), event(HOUR, 3.0), event(HOUR, 4.0), event(3 * HOUR, kind=OTHER))
    assert longest.read(["max", 2]) == 4.0
    assert longest.add_all([event(9 * HOUR, kind=OTHER)]).read(["max", 2], default=-1.0) == -1.0
    shortest = window("min", event(0, 9.0), event(1, -3.0), event(2, 4.0))
    assert shortest.read(["min", 1]) == -3.0


@pytest.mark.parametrize(("agg", "wanted"), [("min", -5.0), ("max", -1.0)])
def test_an_extreme_may_be_negative(agg: str, wanted: float) -> None:
    assert folded("extreme", NUMBER, agg=agg).read(["value"], default=7.0) == 7.0
    values = [event(0, -2.0), event(1, -5.0), event(2, -1.0)]
    assert folded("extreme", NUMBER, *values, agg=agg).read(["value"], default=7.0) == wanted


def test_the_first_number_may_be_zero() -> None:
    first = folded("edge", NUMBER, event(0, 0.0), event(1, 5.0), which="first", text=False)
    assert first.read(["value"], default=-1.0) == 0.0


def test_a_last_number_takes_one_slot_unless_zero_must_be_told_from_never() -> None:
    plain = folded("edge", NUMBER, event(0, 5.0), event(1, 0.0), which="last", text=False)
    flagged = folded("edge", NUMBER, event(0, 5.0), event(1, 0.0), which="last", text=False, flag=True)
    assert (plain.sizes.values, flagged.sizes.values) == (1, 2)
    assert plain.read(["value"], default=-1.0) == -1.0
    assert flagged.read(["value"], default=-1.0) == 0.0


def test_an_absent_text_is_neither_first_nor_last() -> None:
    texts = [event(0), event(1, text="a"), event(2, text="b"), event(3)]
    assert folded("edge", TEXT, *texts, which="first", text=True).read(["value"], "text") == "a"
    last = folded("edge", TEXT, *texts, which="last", text=True)
    assert last.read(["value"], "text") == "b"
    assert last.node(["value"]).truth(last.scope)
    never = folded("edge", TEXT, which="last", text=True)
    assert not never.node(["value"]).truth(never.scope)


def test_the_time_since_is_in_units_and_the_default_is_never() -> None:
    like = folded("since", Taken(), event(0), event(HOUR, kind=OTHER))
    assert like.read(["since", MINUTE], default=2160.0) == 60.0
    assert folded("since", Taken(), event(0, kind=OTHER)).read(["since", HOUR], default=2160.0) == 2160.0


def test_the_last_k_are_read_from_the_newest() -> None:
    last = folded("last_k", NUMBER, *[event(i, float(i)) for i in range(5)], k=3)
    assert [last.read(["nth", i], default=-1.0) for i in range(4)] == [4.0, 3.0, 2.0, -1.0]


def test_a_small_deviation_from_a_large_mean_keeps_its_digits() -> None:
    values = [1e12 + 1, 1e12 + 2, 1e12 + 3, 1e12 + 4]
    moments = folded("moments", NUMBER, *[event(i, value) for i, value in enumerate(values)])
    assert moments.read(["mean"]) == 1e12 + 2.5
    assert moments.read(["stddev"]) == pytest.approx(math.sqrt(1.25), rel=1e-3)


def test_one_value_has_a_mean_and_no_deviation() -> None:
    one = folded("moments", NUMBER, event(0, 3.0))
    assert (one.read(["mean"], default=-1.0), one.read(["stddev"], default=-1.0)) == (3.0, -1.0)
    assert folded("moments", NUMBER).read(["mean"], default=-1.0) == -1.0


def test_distinct_texts_count_once_and_each_of_a_list() -> None:
    texts = ["rock", "jazz", "rock", "jazz\x1fblues\x1f\x1frock", "", "\x1f"]
    genres = folded("distinct", TEXT, *[event(i, text=text) for i, text in enumerate(texts)], exact=8)
    assert genres.read(["count"]) == 3.0


def test_a_sketch_depends_on_the_texts_and_not_on_their_order() -> None:
    texts = [f"t{i}" for i in range(100)]
    one = folded("distinct", TEXT, *[event(i, text=text) for i, text in enumerate(texts)], exact=16)
    other = folded("distinct", TEXT, *[event(i, text=text) for i, text in enumerate(reversed(texts))], exact=16)
    assert one.own_series() == other.own_series()
    assert one.own_series()[0] == sorted(set(one.own_series()[0]))


@pytest.mark.parametrize(("exact", "texts"), [(16, 500), (64, 500), (64, 3000), (256, 3000)])
def test_the_estimate_errs_as_stated(exact: int, texts: int) -> None:
    users = 120
    errors = []
    for user in range(users):
        sketch = Folded("distinct", {"exact": exact}, {PLAY: TEXT})
        for i in range(texts):
            sketch.add(event(i, text=f"user {user} text {i}"))
        got = sketch.read(["count"])
        assert isinstance(got, float)
        errors.append(got / texts - 1)
    error = 1 / math.sqrt(exact - 2)
    # The error of a standard error from 120 samples is 6.5%, that of the mean is error / 11: four of each.
    assert math.sqrt(sum(e * e for e in errors) / users) == pytest.approx(error, rel=0.26)
    assert sum(errors) / users == pytest.approx(0, abs=4 * error / math.sqrt(users))


def test_the_estimate_is_never_below_what_was_seen() -> None:
    sketch, before = Folded("distinct", {"exact": 8}, {PLAY: TEXT}), 0.0
    for i in range(200):
        sketch.add(event(i, text=f"t{i}"))
        got = sketch.read(["count"])
        assert isinstance(got, float)
        assert got >= max(before, min(i + 1, 8))
        before = got


def test_over_the_cap_the_smallest_entry_goes_and_is_counted() -> None:
    plays = folded("by", KEY, *[event(i, key=key) for i, key in enumerate("aabbc")], cap=2)
    assert plays.own_maps() == [{"a": 2.0, "b": 2.0}]
    assert plays.dropped == 1
    tie = folded("by", KEY, event(0, key="b"), event(1, key="a"), event(2, key="c"), cap=2)
    assert tie.own_maps() == [{"b": 1.0, "c": 1.0}]


def test_a_map_keeps_32_entries_unless_told_otherwise() -> None:
    keys = [event(i, key=f"k{i}") for i in range(40)]
    assert len(folded("by", KEY, *keys).own_maps()[0]) == 32
    assert len(folded("by_window", KEY, *keys, hop_ms=HOUR, hops=2, agg="count").own_tables()[0]) == 32


def test_each_key_of_a_list_gets_the_whole_value() -> None:
    spent = folded("by", Taken("number", key=True, weight=2.0), event(0, 5.0, key="a\x1f\x1fb"), event(1, 1.0), cap=4)
    assert spent.read(["map"], "map") == {"a": 10.0, "b": 10.0}


def test_a_list_may_drop_several_entries() -> None:
    keys = event(0, key="a\x1fb\x1fc")
    assert folded("by", KEY, keys, cap=1).dropped == 2
    assert folded("by_window", KEY, keys, cap=1, hop_ms=HOUR, hops=2, agg="count").dropped == 2


def test_a_map_decays() -> None:
    plays = folded("by", KEY, event(0, key="a"), event(DAY, key="b"), cap=4, half_life_ms=DAY)
    assert plays.read(["map"], "map") == {"a": 0.5, "b": 1.0}


def by_window(*events: Event, cap: int = 2) -> Folded:
    return folded("by_window", Taken("number", key=True), *events, cap=cap, hop_ms=HOUR, hops=2, agg="sum")


def test_sums_by_key_are_those_of_the_window_without_zeros() -> None:
    spent = by_window(event(0, 5.0, key="a"), event(HOUR, 2.0, key="a"), event(HOUR, -2.0, key="b"), cap=4)
    spent.add_all([event(HOUR + 1, 2.0, key="b"), event(3 * HOUR, kind=OTHER)])
    assert spent.read(["map", 2], "map") == {"a": 2.0}
    assert spent.read(["map", 1], "map") == {}


def test_keys_that_have_left_the_window_make_room_uncounted() -> None:
    gone = event(0, 1.0, key="old"), event(9 * HOUR, -5.0, key="in debt")
    spent = by_window(*gone, event(9 * HOUR + 1, 1.0, key="new"))
    assert spent.read(["map", 2], "map") == {"in debt": -5.0, "new": 1.0}
    assert spent.dropped == 0
    spent.add(event(9 * HOUR + 2, 1.0, key="newer"))
    assert spent.read(["map", 2], "map") == {"new": 1.0, "newer": 1.0}
    assert spent.dropped == 1


def test_what_a_key_had_before_the_window_does_not_keep_it() -> None:
    spent = by_window(event(0, 10.0, key="a"), event(HOUR, 1.0, key="a"), event(3 * HOUR, 2.0, key="b"))
    assert spent.add_all([event(3 * HOUR + 1, 3.0, key="c")]).read(["map", 2], "map") == {"b": 2.0, "c": 3.0}


def test_an_edge_belongs_to_the_bar_above_it() -> None:
    values = [-1e12, 29.9, 30.0, 59.0, 60.0, 180.0, 1e12]
    bars = folded("histogram", NUMBER, *[event(i, value) for i, value in enumerate(values)], edges=[30, 60, 180])
    assert [bars.read(["nth", i]) for i in range(4)] == [2.0, 2.0, 1.0, 2.0]


def test_hours_and_days_are_those_of_the_zone() -> None:
    at_ms = 23 * HOUR  # Thursday, 2026-01-01, in UTC
    utc = folded("calendar", Taken(), event(at_ms), of="hour")
    berlin = folded("calendar", Taken(), event(at_ms), of="hour", zone="Europe/Berlin")
    assert (utc.read(["nth", 23]), berlin.read(["nth", 0])) == (1.0, 1.0)
    days = folded("calendar", Taken(), event(at_ms), of="day_of_week", zone="Europe/Berlin")
    assert [days.read(["nth", i]) for i in range(7)] == [0, 0, 0, 0, 1, 0, 0]


def test_a_streak_waits_for_today_and_breaks_with_a_missing_day() -> None:
    streak = folded("streak", Taken(), event(0), event(5 * HOUR), event(DAY), event(2 * DAY + HOUR))
    assert streak.read(["days"]) == 3.0
    assert streak.add_all([event(4 * DAY - 1, kind=OTHER)]).read(["days"]) == 3.0
    assert streak.add_all([event(4 * DAY, kind=OTHER)]).read(["days"]) == 0.0
    assert streak.add_all([event(4 * DAY + 1)]).read(["days"]) == 1.0


def test_the_day_that_ends_a_streak_is_local() -> None:
    late, early = event(22 * HOUR), event(23 * HOUR)  # before and after midnight in Berlin
    assert folded("streak", Taken(), late, early).read(["days"]) == 1.0
    assert folded("streak", Taken(), late, early, zone="Europe/Berlin").read(["days"]) == 2.0


def test_a_clock_that_is_set_back_over_midnight_does_not_begin_the_day_before_again() -> None:
    midnight_ms = 1_162_089_000_000 - T0  # in St. John's; a minute later it is 23:01 of the day before
    days = [event(midnight_ms + pause_ms) for pause_ms in (0, MINUTE, HOUR)]
    assert folded("streak", Taken(), *days, zone="America/St_Johns").read(["days"]) == 1.0


def test_a_change_is_from_one_text_to_another() -> None:
    texts = ["", "a", "a", "", "a", "b", "", "a"]
    artists = folded("changes", TEXT, *[event(i, text=text) for i, text in enumerate(texts)])
    assert artists.read(["value"]) == 2.0
    assert artists.read(["text"], "text") == "a"


def test_the_same_events_give_the_same_bytes() -> None:
    events = [event(i * HOUR, i / 3, f"t{i % 5}", f"k{i % 7}") for i in range(40)]
    both = Taken("number", key=True)
    for kind, params in (("by", {"cap": 3, "half_life_ms": DAY}), ("by_window", {"cap": 3, "hop_ms": HOUR, "hops": 5})):
        one, other = (folded(kind, both, *events, **params) for _ in range(2))
        assert packed(one.profile) == packed(other.profile)
