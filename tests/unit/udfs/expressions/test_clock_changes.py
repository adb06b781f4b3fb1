"""Features by the calendar where a zone's clocks are changed, and at the edges of calendars."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.limits import TIME_MS_MAX
from driftline.times import parse_time_ms
from driftline.units import DAY_MS, HOUR_MS, MINUTE_MS
from tests.unit.udfs.expressions.test_clocks import at
from tests.unit.udfs.reducers.folding import Folded, Taken
from udfs.event import VIEW, Event

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)  # when Berlin's clocks are changed


def ms(text: str) -> int:
    return parse_time_ms(text)


@pytest.mark.parametrize(
    ("zone", "utc", "hour", "day", "minutes"),
    [
        (BERLIN, "2026-03-29T00:59:59.999Z", 1, 6, 119),
        (BERLIN, "2026-03-29T01:00:00Z", 3, 6, 180),  # from 2 to 3
        (BERLIN, "2026-03-29T21:59:59.999Z", 23, 6, 1_439),
        (BERLIN, "2026-03-29T22:00:00Z", 0, 0, 0),  # the day had 23 hours
        (BERLIN, "2026-10-25T00:30:00Z", 2, 6, 150),
        (BERLIN, "2026-10-25T01:30:00Z", 2, 6, 150),  # the same hour again
        (BERLIN, "2026-10-25T22:59:59.999Z", 23, 6, 1_439),  # the day had 25 hours
        (BERLIN, "2026-10-25T23:00:00Z", 0, 0, 0),
        (NEW_YORK, "2026-03-08T07:00:00Z", 3, 6, 180),
        (NEW_YORK, "2026-11-01T06:30:00Z", 1, 6, 90),
        (LORD_HOWE, "2026-10-03T15:29:59Z", 1, 6, 119),
        (LORD_HOWE, "2026-10-03T15:30:00Z", 2, 6, 150),  # half an hour
    ],
)
def test_clocks_show_what_they_show_in_the_zone(zone: str, utc: str, hour: int, day: int, minutes: int) -> None:
    assert at("hour", ms(utc), zone) == hour
    assert at("day_of_week", ms(utc), zone) == day
    assert int(at("day_angle", ms(utc), zone) / (2 * math.pi) * 1_440 + 1e-9) == minutes


def folded(kind: str, times_ms: list[int], zone: str, **params: Any) -> Folded:
    events = [Event(time_ms, f"e{number:04}", VIEW, 0.0, "") for number, time_ms in enumerate(times_ms)]
    return Folded(kind, {"zone": zone} | params, {VIEW: Taken()}).add_all(events)


def local_ms(day: date, hour: int, minute: int, zone: str) -> int:
    shown = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))
    return int(shown.timestamp()) * 1_000


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
@pytest.mark.parametrize(("hour", "minute"), [(0, 0), (0, 30), (2, 30), (12, 0), (23, 59)])
def test_a_streak_goes_on_over_a_change_of_clocks(change: date, hour: int, minute: int) -> None:
    days = [change + timedelta(days=n) for n in range(-3, 4)]
    times_ms = [local_ms(day, hour, minute, BERLIN) for day in days]
    assert folded("streak", times_ms, BERLIN).read(["days"]) == 7.0


def test_a_streak_may_go_from_the_first_minute_to_the_last_of_the_next_day() -> None:
    first = local_ms(AUTUMN, 0, 0, BERLIN)
    last = local_ms(AUTUMN + timedelta(days=1), 23, 59, BERLIN)
    assert last - first == 2 * DAY_MS + HOUR_MS - MINUTE_MS  # 25 hours and a day
    assert folded("streak", [first, last], BERLIN).read(["days"]) == 2.0
    assert folded("streak", [first, last + MINUTE_MS], BERLIN).read(["days"]) == 1.0


def test_both_passes_of_an_hour_are_of_one_day_and_one_hour() -> None:
    twice = [ms("2026-10-25T00:30:00Z"), ms("2026-10-25T01:30:00Z")]
    assert folded("streak", twice, BERLIN).read(["days"]) == 1.0
    by_hour = folded("calendar", twice, BERLIN, of="hour")
    assert [by_hour.read(["nth", hour]) for hour in (1, 2, 3)] == [0.0, 2.0, 0.0]


def test_no_event_is_in_an_hour_that_is_left_out() -> None:
    begin = ms("2026-03-28T23:00:00Z")  # midnight in Berlin
    quarters = [begin + n * 15 * MINUTE_MS for n in range(23 * 4)]
    by_hour = folded("calendar", quarters, BERLIN, of="hour")
    assert [by_hour.read(["nth", hour]) for hour in range(24)] == [4.0, 4.0, 0.0] + [4.0] * 21
    by_day = folded("calendar", quarters, BERLIN, of="day_of_week")
    assert [by_day.read(["nth", day]) for day in range(7)] == [0.0] * 6 + [92.0]


def test_a_day_that_comes_again_is_counted_once() -> None:
    # In St John's clocks were set back by an hour at a minute past midnight: from the 7th to the 6th.
    shown = ["2010-11-07T00:30:00Z", "2010-11-07T02:30:30Z", "2010-11-07T02:31:00Z", "2010-11-07T12:00:00Z"]
    days = [folded("streak", [ms(text) for text in shown[:n]], "America/St_Johns").read(["days"]) for n in range(1, 5)]
    assert days == [1.0, 2.0, 2.0, 2.0]


@given(st.lists(st.integers(0, 400 * 24 * 4), min_size=1, max_size=12), st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE]))
def test_a_streak_is_that_of_the_days_that_the_zone_knows(quarters: list[int], zone: str) -> None:
    times_ms = [ms("2026-01-01T00:00:00Z") + n * 15 * MINUTE_MS for n in sorted(quarters)]
    days = sorted({datetime.fromtimestamp(time_ms / 1_000, ZoneInfo(zone)).date() for time_ms in times_ms})
    length = 1
    while length < len(days) and days[-length - 1] == days[-length] - timedelta(days=1):
        length += 1
    assert folded("streak", times_ms, zone).read(["days"]) == length


@pytest.mark.parametrize("zone", ["UTC", BERLIN, NEW_YORK, "Pacific/Kiritimati", "Pacific/Niue"])
@pytest.mark.parametrize("time_ms", [-(10**15), -DAY_MS, -1, 0, 1, 4_102_444_800_000, TIME_MS_MAX])
def test_times_of_any_year_have_an_hour_and_a_day(zone: str, time_ms: int) -> None:
    hour, day = at("hour", time_ms, zone), at("day_of_week", time_ms, zone)
    assert hour in range(24)
    assert day in range(7)
    if -62_135_500_000_000 < time_ms < 253_402_200_000_000:
        shown = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(milliseconds=time_ms)
        local = shown.astimezone(ZoneInfo(zone))
        assert (hour, day) == (local.hour, local.weekday())


def test_the_edges_of_calendars_are_what_they_are_in_utc() -> None:
    assert (at("hour", TIME_MS_MAX), at("day_of_week", TIME_MS_MAX)) == (23, 4)  # Friday, 9999-12-31
    assert (at("hour", -1), at("day_of_week", -1)) == (23, 2)  # Wednesday, 1969-12-31
    assert (at("hour", ms("2100-03-01T00:00:00Z")), at("day_of_week", ms("2100-03-01T00:00:00Z"))) == (0, 0)


def test_rules_of_a_zone_go_on_after_the_years_that_its_file_lists() -> None:
    assert at("hour", ms("2101-07-01T10:00:00Z"), BERLIN) == 12  # daylight saving, as the zone's last rule says
    assert at("hour", ms("2101-01-01T10:00:00Z"), BERLIN) == 11


@pytest.mark.parametrize(("zone", "hours"), [("UTC", {0, 23}), (BERLIN, {1, 0})])
def test_streaks_and_calendars_take_times_of_any_year(zone: str, hours: set[int]) -> None:
    times_ms = [1, DAY_MS, TIME_MS_MAX - DAY_MS, TIME_MS_MAX]
    assert folded("streak", times_ms, zone).read(["days"]) == 2.0
    by_hour = folded("calendar", times_ms, zone, of="hour")
    assert [by_hour.read(["nth", hour]) for hour in range(24)] == [2.0 if hour in hours else 0.0 for hour in range(24)]
