"""Times without a zone are those of the declared zone's clocks, also where these are changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.limits import TIME_MS_MAX
from driftline.mapping.messages import MessageMapper
from driftline.mapping.spec import Mapping
from driftline.times import parse_time_ms

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def mapped_ms(at: Any, zone: str = BERLIN, unit: str = "text") -> int:
    given = {"time_unit": unit, "time_zone": zone, "columns": {"userId": "u", "type": "t", "eventTimeMs": "at"}}
    return MessageMapper(Mapping.of(given)).event_in({"u": "u1", "t": "view", "at": at}).event_time_ms


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        (BERLIN, "2026-03-29 01:59:59.999", "2026-03-29T00:59:59.999Z"),
        (BERLIN, "2026-03-29 02:00:00", "2026-03-29T01:00:00Z"),  # there is no such time: it is an hour later
        (BERLIN, "2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
        (BERLIN, "2026-03-29 03:00:00", "2026-03-29T01:00:00Z"),
        (BERLIN, "2026-10-25 01:59:59", "2026-10-24T23:59:59Z"),
        (BERLIN, "2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),  # there are two such times: it is the first
        (BERLIN, "2026-10-25 03:00:00", "2026-10-25T02:00:00Z"),
        (NEW_YORK, "2026-03-08 02:30:00", "2026-03-08T07:30:00Z"),
        (NEW_YORK, "2026-11-01 01:30:00", "2026-11-01T05:30:00Z"),
        (LORD_HOWE, "2026-10-04 02:15:00", "2026-10-03T15:45:00Z"),  # half an hour is left out
        (LORD_HOWE, "2026-04-05 01:45:00", "2026-04-04T14:45:00Z"),
        ("UTC", "2026-03-29 02:30:00", "2026-03-29T02:30:00Z"),
    ],
)
def test_a_local_time_is_that_of_the_zone(zone: str, local: str, utc: str) -> None:
    assert mapped_ms(local, zone) == parse_time_ms(utc)


@pytest.mark.parametrize("text", ["2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z", "2026-10-25 01:30:00 UTC"])
def test_a_text_that_names_its_zone_has_no_need_of_another(text: str) -> None:
    assert mapped_ms(text) == parse_time_ms("2026-10-25T01:30:00Z")


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE]))  # noqa: DTZ001
def test_local_times_go_on_but_for_the_hour_that_comes_twice(local: datetime, zone: str) -> None:
    found = parse_time_ms(local.isoformat(timespec="milliseconds"), ZoneInfo(zone))
    shown = datetime.fromtimestamp(found // 1_000, ZoneInfo(zone)).replace(tzinfo=None)
    assert shown - local.replace(microsecond=0) in (timedelta(0), timedelta(hours=1), timedelta(minutes=30)) or (
        local.year < 1970  # clocks were changed by other spans, too
    )
    again = parse_time_ms(local.isoformat(timespec="milliseconds"), ZoneInfo(zone))
    assert found == again


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1969-12-31T23:59:59.999Z", -1),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.0009Z", 0),
        ("1900-01-01T00:00:00Z", -2_208_988_800_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("2100-02-28T23:59:59.999Z", 4_107_542_399_999),  # 2100 is no leap year
        ("2100-03-01T00:00:00Z", 4_107_542_400_000),
        ("9999-12-31T23:59:59.999Z", TIME_MS_MAX),
        ("9999-12-31T23:59:59.999-12:00", TIME_MS_MAX + 12 * 3_600_000),
        ("0001-01-01T00:00:00+14:00", -62_135_596_800_000 - 14 * 3_600_000),
    ],
)
def test_times_of_any_year_are_read(text: str, time_ms: int) -> None:
    assert parse_time_ms(text) == mapped_ms(text) == time_ms


@pytest.mark.parametrize("local", ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999", "1800-01-01 00:00:00"])
def test_local_times_of_any_year_are_read(local: str) -> None:
    for zone in (BERLIN, NEW_YORK, "Pacific/Kiritimati"):
        assert abs(mapped_ms(local, zone) - parse_time_ms(local + "Z")) < 15 * 3_600_000


@pytest.mark.parametrize(
    ("unit", "at", "time_ms"),
    [
        ("s", "-1", -1_000),
        ("s", -0.5, -500),
        ("ms", "-1", -1),
        ("us", "-1500", -1),
        ("s", "253402300799", TIME_MS_MAX - 999),
    ],
)
def test_numbers_of_any_year_are_read(unit: str, at: Any, time_ms: int) -> None:
    assert mapped_ms(at, "", unit) == time_ms


@pytest.mark.parametrize(
    ("unit", "at", "error"),
    [
        ("ms", "2026-01-05T09:00:00Z", 'a number of ms; it looks like a date: time_unit is "text" for those'),
        ("ms", "soon", "a number of ms"),
        ("text", "1767603600", "it looks like a number of seconds: time_unit is 's' for those"),
        ("text", 1_767_603_600_000, "it looks like a number of milliseconds: time_unit is 'ms' for those"),
        ("text", "1767603600000000", "it looks like a number of microseconds: time_unit is 'us' for those"),
        ("text", "1767603600000000000", "it looks like a number of nanoseconds: time_unit is 'ns' for those"),
    ],
)
def test_a_time_in_the_other_form_is_told(unit: str, at: Any, error: str) -> None:
    with pytest.raises(ValueError, match="eventTimeMs must be a") as caught:
        mapped_ms(at, unit=unit)
    assert str(caught.value).endswith(error)
    assert "1767603600" not in str(caught.value)


@pytest.mark.parametrize("at", ["7", "2026", "20260105", "1e400", "NaN", "soon", "2026-01-05"])
def test_other_texts_are_told_no_unit(at: str) -> None:
    with pytest.raises(ValueError, match=r"a time like") as caught:
        mapped_ms(at)
    assert "looks like" not in str(caught.value)
