"""Local times are those of the IANA database, whatever was asked before."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.limits import TIME_MS_MAX
from tests.builders import DAY, HOUR, T0
from udfs.zones import Zone

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia"]
# Clocks were changed within these hours: Lord Howe (in the middle), Monrovia (44 minutes and 30 seconds), and Berlin.
CHANGES_MS = [1_791_041_400_000, 63_593_070_000, 1_774_746_000_000]
TIMES_MS = st.one_of(
    st.integers(-(10**12), 4 * 10**12),
    st.builds(int.__add__, st.sampled_from([*CHANGES_MS, 0, T0]), st.integers(-2 * HOUR, 2 * HOUR)),
)


@given(st.sampled_from(ZONES), st.lists(TIMES_MS, min_size=1, max_size=8))
def test_local_times_are_those_of_the_database(name: str, times_ms: list[int]) -> None:
    zone = Zone(name)
    for time_ms in times_ms:
        local = datetime.fromtimestamp(time_ms // 1000, ZoneInfo(name))
        offset = local.utcoffset()
        assert offset is not None
        assert zone.offset_ms(time_ms) == offset // timedelta(milliseconds=1)
        assert zone.day(time_ms) == local.toordinal() - datetime(1970, 1, 1).toordinal()  # noqa: DTZ001
        assert zone.hour_of_day(time_ms) == local.hour
        assert zone.day_of_week(time_ms) == local.weekday()


@pytest.mark.parametrize("time_ms", [-(10**18), -62_135_596_800_000, TIME_MS_MAX, 10**18])
@pytest.mark.parametrize("name", ZONES)
def test_a_time_that_no_calendar_knows_has_the_offset_of_the_nearest(name: str, time_ms: int) -> None:
    assert abs(Zone(name).offset_ms(time_ms)) < DAY


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        Zone("Europe/Atlantis")
