"""Times of day and days of the week are those of the zone's clocks."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from driftline.units import DAY_MS, HOUR_MS
from udfs.expressions.build import build
from udfs.expressions.node import Scope
from udfs.profile import LAST_MS, Profile

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Monrovia"]
AS_OF = ["slot", "last_ms"]
DST = 1_774_746_000_000  # 2026-03-29T01:00Z, when clocks in Berlin are set from 2 to 3


def at(op: str, time_ms: float, zone: str = "UTC") -> float:
    profile = Profile()
    profile.values[LAST_MS] = time_ms
    return build([op, AS_OF], [], zone).number(Scope(profile, []))


@given(st.integers(0, 4_102_444_800_000), st.sampled_from(ZONES))
@example(DST, "Europe/Berlin")
@example(DST - 1, "Europe/Berlin")
@example(63_593_070_000, "Africa/Monrovia")  # 1972-01-07T00:44:30Z, when Liberia gave up 44.5 minutes
@example(63_593_069_999, "Africa/Monrovia")
def test_clocks_are_those_of_the_zone(time_ms: int, zone: str) -> None:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).astimezone(ZoneInfo(zone))
    midnight = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    of_day_ms = (local.replace(tzinfo=None) - midnight) / timedelta(milliseconds=1)
    assert at("hour", time_ms, zone) == local.hour
    assert at("day_of_week", time_ms, zone) == local.weekday()
    assert at("day_angle", time_ms, zone) == of_day_ms * (2 * math.pi / DAY_MS)


@given(st.integers(0, 4_102_444_800_000))
def test_the_angle_in_utc_is_that_of_v1(time_ms: int) -> None:
    assert at("day_angle", time_ms) == (float(time_ms) % DAY_MS) * (2 * math.pi / DAY_MS)


@pytest.mark.parametrize("zone", ZONES)
@given(st.floats())
@example(-1e-20)
@example(-0.5)
@example(1e300)
@example(math.nan)
@example(math.inf)
def test_any_number_is_a_time(zone: str, time_ms: float) -> None:
    hour, day, angle = (at(op, time_ms, zone) for op in ("hour", "day_of_week", "day_angle"))
    if math.isfinite(time_ms):
        assert hour in range(24)
        assert day in range(7)
        assert 0 <= angle <= 2 * math.pi
    else:
        assert math.isnan(hour)
        assert math.isnan(day)
        assert math.isnan(angle)


def test_before_the_epoch_days_go_on() -> None:
    assert at("day_of_week", 0) == 3  # a Thursday
    assert at("day_of_week", -1) == 2
    assert at("hour", -HOUR_MS) == 23


def test_an_unknown_zone_is_refused_when_the_node_is_built() -> None:
    with pytest.raises(Exception, match="Nowhere"):
        at("hour", 0, "Europe/Nowhere")
