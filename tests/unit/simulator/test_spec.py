"""The arguments of a simulation check themselves."""

import pytest

from console.simulator import SimulationSpec, parse_start
from console.simulator.spec import id_prefix
from driftline.errors import SettingError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"users": 0}, "--users must be between 1 and 5,000,000, not 0"),
        ({"events": 0}, "--events must be between 1 and"),
        ({"seed": -1}, "--seed must be between 0 and"),
        ({"disorder_ms": -1}, "--disorder-ms must be between 0 and 2,592,000,000, not -1"),
        ({"duplicates": 1.5}, "--duplicates must be between 0 and 1, not 1.5"),
        ({"leaving": 1.5}, "--leaving must be between 0 and 1, not 1.5"),
        ({"rate": 1.0, "leaving": 0.5}, "--leaving is for a history"),
        ({"duplicates": float("nan")}, "--duplicates must be between 0 and 1, not nan"),
        ({"days": 0.0}, "--days must be between 0.001 and 3,660"),
        ({"start_ms": 0}, "--start must be between"),
        ({"rate": 0.0}, "--rate must be between 0.01 and 1,000,000"),
        ({"rate": 1.0, "duration_s": 0.0}, "--duration-s must be between"),
        ({"duration_s": 5.0}, "--duration-s needs --rate"),
        ({"rate": 1.0, "days": 2.0}, "--start and --days are for a history"),
        ({"rate": 1.0, "start_ms": 5}, "--start and --days are for a history"),
    ],
)
def test_a_bad_option_is_named_with_what_it_accepts(given: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        SimulationSpec(**{"users": 10, **given})  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("2026-01-01", 1_767_225_600_000),
        ("2026-01-01T00:00:00Z", 1_767_225_600_000),
        ("2026-01-01T00:00:00", 1_767_225_600_000),
        ("2026-01-01T01:00:00.250+01:00", 1_767_225_600_250),
    ],
)
def test_a_start_is_utc_unless_it_says_otherwise(text: str, expected_ms: int) -> None:
    assert parse_start(text) == expected_ms


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", ""])
def test_a_start_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="ISO 8601"):
        parse_start(text)


def test_a_prefix_is_short_and_stands_for_its_parts() -> None:
    assert id_prefix(1, 2) == id_prefix(1, 2) != id_prefix(1, 3)
    assert len(id_prefix(1, 2)) == 6
