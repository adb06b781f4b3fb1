"""What the reference says is so: its examples are evaluated, and nothing is missing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declarations.cel_functions import FUNCTIONS, METHODS
from declarations.costs import feature_costs
from declarations.derived import PROFILE
from declarations.feature_models import FEATURES
from declarations.reference import example_plan, reference_text
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


def declared_in(examples: Iterable[str]) -> dict[str, str]:
    """The lines of examples by the name of the feature; several may declare the same."""
    lines = [line for example in examples for line in example.split("\n")]
    return {line.partition(":")[0]: line for line in lines}


EXAMPLES = [example for text in KIND_TEXTS.values() for example in text.examples]


def test_examples_that_share_a_name_declare_the_same() -> None:
    lines = {line for example in EXAMPLES for line in example.split("\n")}
    assert len(lines) == len(declared_in(EXAMPLES))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(EXAMPLES), min_size=1, unique=True))
def test_features_together_cost_at_most_what_each_costs_alone(examples: list[str]) -> None:
    together = example_plan("\n".join(declared_in(examples).values()))
    alone = sum(sum(cost.worst for cost in feature_costs(example_plan(example))) for example in examples)
    assert 0 <= sum(cost.worst for cost in feature_costs(together)) <= alone


def test_examples_of_features_come_to_something(tmp_path: Path) -> None:
    features = "".join(f"  {line}\n" for line in declared_in(EXAMPLES).values())
    (tmp_path / "example.yaml").write_text(f"{EXAMPLE_EVENTS}features:\n{features}")
    plays: list[dict[str, Any]] = [
        {
            "type": "play",
            "itemId": f"t{at}",
            "properties": {"artist": f"a{at % 3}", "genres": "pop,jazz", "seconds": at},
        }
        for at in range(1, 102)
    ]
    paid: dict[str, Any] = {"type": "subscribe", "value": 9, "currency": "EUR", "properties": {"plan": "pro"}}
    bought: dict[str, Any] = {"type": "PURCHASE", "value": 5, "currency": "EUR"}
    liked: dict[str, Any] = {"type": "like", "properties": {"artist": "a1"}}
    start_ms = int(datetime(2026, 1, 5, 4, 0, tzinfo=UTC).timestamp() * 1000)
    timed = [{**event, "eventTimeMs": start_ms + at * 60_000} for at, event in enumerate([paid, liked, bought, *plays])]
    folded = fold_lines(tmp_path, timed, tmp_path)
    assert not folded.left_out
    untouched = declared_in(EXAMPLES).keys() - folded.touched
    several = {name for name in untouched if any(one.startswith(f"{name}_") for one in folded.touched)}
    assert untouched == several
