"""What the reference says is so: its examples are evaluated, and nothing is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from declarations.cel_functions import FUNCTIONS, METHODS
from declarations.derived import PROFILE
from declarations.feature_models import FEATURES
from declarations.reference import reference_text
from declarations.reference_functions import EXAMPLE_FEATURES, FUNCTION_TEXTS, OPERATORS, PROFILE_TEXTS
from declarations.reference_kinds import EXAMPLE_EVENTS, KIND_TEXTS
from tests.declared_events import fold_lines

AS_OF = datetime(2026, 1, 5, 18, 30, tzinfo=UTC)
BASE = "".join(f"{line.strip()}\n" for line in EXAMPLE_FEATURES.splitlines()[1:])
KINDS = [*OPERATORS, *FUNCTION_TEXTS.values()]


def name_of(at: int) -> str:
    return f"example_{at}"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the examples give over the user of whom the reference speaks."""
    folder = tmp_path_factory.mktemp("reference")
    features = [f"  {name_of(at)}: {{expr: '{each.example}'}}\n" for at, each in enumerate(KINDS)]
    (folder / "example.yaml").write_text(EXAMPLE_EVENTS + EXAMPLE_FEATURES + "".join(features))
    plays = [{"type": "play", "properties": {"artist": artist}} for artist in ("abba", "abba", "abba", "queen")]
    events = [*plays[:3], {"type": "subscribe", "properties": {"plan": "pro"}}, plays[3]]
    times_ms = [int((AS_OF - timedelta(minutes=4 - at)).timestamp() * 1000) for at in range(5)]
    timed = [event | {"eventTimeMs": time_ms} for event, time_ms in zip(events, times_ms, strict=True)]
    return fold_lines(folder, timed, folder).features("u")


@pytest.mark.parametrize("at", range(len(KINDS)), ids=lambda at: KINDS[at].example)
def test_examples_of_expressions_give_what_the_reference_says(found: dict[str, Any], at: int) -> None:
    value = found[name_of(at)]
    if KINDS[at].value in {"true", "false"}:
        assert value == (KINDS[at].value == "true")
    else:
        assert (value if isinstance(value, str) else f"{value:g}") == KINDS[at].value


def test_everything_has_a_text() -> None:
    assert set(FUNCTION_TEXTS) == {*FUNCTIONS, *METHODS}
    assert set(PROFILE_TEXTS) == set(PROFILE)
    assert set(KIND_TEXTS) == set(FEATURES)


def test_an_example_is_of_its_kind() -> None:
    for word, text in KIND_TEXTS.items():
        for example in text.examples:
            assert f"{{{word}: " in example.rpartition("\n")[2]


def test_lines_of_prose_are_not_longer_than_those_of_other_documents() -> None:
    long = [line for line in reference_text().splitlines() if len(line) > 120 and not line.startswith("|")]
    assert not long
