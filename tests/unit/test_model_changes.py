"""Which model was live when, and where a rollback goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.model_changes import Action, Change, lived, retired_of


def change(action: Action, version: str, before: str = "") -> Change:
    return Change(at_ms=1, action=action, version=version, before=before)


def promoted(*versions: str) -> list[Change]:
    return [change(Action.PROMOTE, one, before) for before, one in zip(("", *versions), versions, strict=False)]


def test_a_rollback_goes_back_step_by_step() -> None:
    changes = promoted("a", "b", "c")
    assert lived(changes, "c") == ["a", "b"]
    changes.append(change(Action.ROLLBACK, "b", "c"))
    assert lived(changes, "b") == ["a"]
    changes.append(change(Action.ROLLBACK, "a", "b"))
    assert lived(changes, "a") == []
    changes.append(change(Action.PROMOTE, "c", "a"))
    assert lived(changes, "c") == ["a"]


def test_a_change_that_was_cut_short_did_nothing() -> None:
    changes = [*promoted("a", "b"), change(Action.PROMOTE, "c", "b")]
    assert lived(changes, "b") == ["a"]


def test_what_somebody_wrote_by_hand_is_gone_back_to() -> None:
    changes = [*promoted("a"), change(Action.PROMOTE, "b", "by hand")]
    assert lived(changes, "b") == ["a", "by hand"]
    assert lived(promoted("a", "b"), "by hand") == ["a", "b"]


def test_a_model_from_before_there_were_changes_is_gone_back_to() -> None:
    assert lived([change(Action.TRAIN, "b", "a")], "b") == ["a"]


def test_retired_is_what_was_not_made_live_since() -> None:
    changes = [*promoted("a", "b"), change(Action.RETIRE, "a", "b")]
    assert retired_of(changes) == {"a"}
    assert lived(changes, "b") == ["a"]  # the registry leaves it out
    assert retired_of([*changes, change(Action.PROMOTE, "a", "b")]) == set()


@given(st.lists(st.one_of(st.sampled_from("abcde"), st.just("<")), max_size=30))
def test_rollbacks_undo_promotions_as_a_stack_does(steps: list[str]) -> None:
    """`<` is a rollback where there is something to go back to."""
    changes: list[Change] = []
    stack: list[str] = []
    for step in steps:
        live = stack[-1] if stack else ""
        if step == "<":
            before = lived(changes, live)
            if not before:
                continue
            changes.append(change(Action.ROLLBACK, before[-1], live))
            while stack[-1] != before[-1]:
                stack.pop()
        elif step != live:
            changes.append(change(Action.PROMOTE, step, live))
            stack.append(step)
        live = stack[-1] if stack else ""
        assert lived(changes, live) == [one for one in stack[:-1] if one != live]


@given(st.integers(0, 1 << 50), st.sampled_from(Action), st.text(max_size=20), st.text(max_size=20), st.text())
def test_a_change_is_read_as_it_was_written(at_ms: int, action: Action, version: str, before: str, note: str) -> None:
    made = Change(at_ms=at_ms, action=action, version=version, before=before, note=note)
    assert Change.parse(made.as_json()) == made


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"3", b'{"at_ms": 1, "action": "eat", "version": "a"}'])
def test_what_is_no_change_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        Change.parse(content)
