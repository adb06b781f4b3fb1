"""Which unit a time looks like that cannot be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.time_units import TIME_MS_LIKELY, UNIT_NAMES, likely_times_ms, likely_unit, unit_note, unit_of_digits
from driftline.units import DAY_MS, MINUTE_MS

AT_MS = 1_760_000_000_000  # 2025-10-09T08:53:20Z
WITHIN = TIME_MS_LIKELY
A_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
times_ms = st.integers(*TIME_MS_LIKELY)


def given_in(unit: str, time_ms: int) -> int:
    """The number that a producer writes for a time, in whole units."""
    return time_ms * A_SECOND[unit] // 1_000


def read_as(number: int, unit: str) -> int:
    """The milliseconds that a number in a unit is read as."""
    return number * 1_000 // A_SECOND[unit]


@pytest.mark.parametrize("meant", UNIT_NAMES)
@pytest.mark.parametrize("declared", UNIT_NAMES)
@given(time_ms=st.integers(TIME_MS_LIKELY[0] + 12 * DAY_MS, TIME_MS_LIKELY[1]))
def test_every_unit_is_recognised_where_another_is_declared(declared: str, meant: str, time_ms: int) -> None:
    found = likely_unit(read_as(given_in(meant, time_ms), declared), declared, WITHIN)
    if meant == declared:
        assert found is None
    else:
        assert found is not None
        assert found[0] == meant
        assert abs(found[1] - time_ms) <= 12 * DAY_MS  # what is cut off by reading seconds as nanoseconds


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(list(UNIT_NAMES)))
def test_what_is_found_is_plausible(time_ms: int, declared: str) -> None:
    found = likely_unit(time_ms, declared, WITHIN)
    if found is not None:
        assert found[0] != declared
        assert WITHIN[0] <= found[1] <= WITHIN[1]


@pytest.mark.parametrize(
    ("time_ms", "declared", "note"),
    [
        (AT_MS // 1_000, None, "; it looks like seconds (2025-10-09), and must be in milliseconds"),
        (AT_MS * 1_000, None, "; it looks like microseconds (2025-10-09), and must be in milliseconds"),
        (AT_MS * 1_000_000, None, "; it looks like nanoseconds (2025-10-09), and must be in milliseconds"),
        (AT_MS * 1_000, ("s",), "; it looks like milliseconds (2025-10-09) where time_unit is s"),
        (AT_MS // 1_000, ("us",), "; it looks like milliseconds (2025-10-09) where time_unit is us"),
        (
            AT_MS * 1_000,
            ("s", "ms"),
            "; it looks like milliseconds (2025-10-09) where time_unit is s, or microseconds (2025-10-09) where "
            "time_unit is ms",
        ),
        (AT_MS // 1_000, (), ""),  # texts are in no unit
        (AT_MS // 1_000, ("s",), ""),
        (1_200, None, ""),
        (0, None, ""),
        (-AT_MS, None, ""),
        (2**63 - 1, None, ""),
    ],
)
def test_a_note_names_the_unit_and_the_day(time_ms: int, declared: tuple[str, ...] | None, note: str) -> None:
    assert unit_note(time_ms, declared, WITHIN) == note


@pytest.mark.parametrize(
    ("timestamp_ms", "expected"),
    [
        (-1, WITHIN),
        (AT_MS // 1_000, WITHIN),  # the producer stamps its records with the same wrong time
        (AT_MS, (AT_MS - 3_652 * DAY_MS, AT_MS + 5 * MINUTE_MS)),
        (WITHIN[0], (WITHIN[0], WITHIN[0] + 5 * MINUTE_MS)),
        (WITHIN[1], (WITHIN[1] - 3_652 * DAY_MS, WITHIN[1])),
    ],
)
def test_a_time_is_plausible_near_its_record(timestamp_ms: int, expected: tuple[int, int]) -> None:
    assert likely_times_ms(timestamp_ms, WITHIN, 5 * MINUTE_MS) == expected


def test_a_clock_that_was_never_set_is_not_taken_for_seconds() -> None:
    up_ms = 11 * DAY_MS  # as seconds, a day in 2000
    assert unit_note(up_ms, None, likely_times_ms(AT_MS, WITHIN, 0)) == ""
    assert "seconds" in unit_note(up_ms, None, likely_times_ms(-1, WITHIN, 0))


@given(times_ms, st.sampled_from(list(UNIT_NAMES)))
def test_the_digits_of_a_time_tell_its_unit(time_ms: int, unit: str) -> None:
    if time_ms >= TIME_MS_LIKELY[0] + 1_000:
        assert unit_of_digits(given_in(unit, time_ms)) == unit


@pytest.mark.parametrize("number", [0, -1, 2026, 20_260_105, 10**30])
def test_other_numbers_tell_none(number: int) -> None:
    assert unit_of_digits(number) is None
