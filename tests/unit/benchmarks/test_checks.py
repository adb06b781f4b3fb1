from __future__ import annotations

import pytest

from benchmarks.checks import Check, at_least, at_most, below, lines, markdown, table


@pytest.mark.parametrize(
    ("check", "met"),
    [
        (at_least("rate", 25_000, 25_000), True),
        (at_least("rate", 24_999.9, 25_000), False),
        (at_most("bytes", 600, 600), True),
        (at_most("bytes", 600.1, 600), False),
        (below("p50", 59.9, 60), True),
        (below("p50", 60, 60), False),
    ],
)
def test_limits(check: Check, met: bool) -> None:
    assert check.met is met


def test_the_line_names_figure_and_limit() -> None:
    check = at_least("ratio", 2.34, 2.5, ".1f", " times")
    assert str(check) == "ratio: 2.3 times; required at least 2.5 times: NOT MET"


def test_what_was_not_measured_is_not_met_and_shown_in_the_tables_alone() -> None:
    missing = Check.missing("ratio", "at least 2")
    assert not missing.met
    assert lines([missing, at_most("bytes", 1, 2)]) == ["bytes: 1; required at most 2: met"]
    assert "not measured" in table([missing])
    assert "| ratio | not measured | at least 2 | **not met** |" in markdown([missing])


def test_columns_are_aligned() -> None:
    rows = table([at_most("a long name", 1, 2), at_most("b", 1_000, 2)]).splitlines()
    assert len({row.index(limit) for row, limit in zip(rows, ("limit", "at most", "at most"), strict=True)}) == 1
