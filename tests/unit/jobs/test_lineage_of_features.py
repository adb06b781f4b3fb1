"""What a restored job's declarations may change, and what its state notes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from declarations.starting import write_project
from driftline.catalogue import FEATURE_SET
from driftline.errors import SettingError
from driftline.state.v1.state_pb2 import ShardState
from jobs import lineage
from jobs.bundle import Bound
from jobs.lineage import Submission
from tests.unit.jobs.projects import features, plan_of, settings_of
from udfs.plan.layout import BASE, Layout
from udfs.shards import KEYS

NEW, SECOND, THIRD = (
    Submission(1_000, restored=False),
    Submission(2_000, restored=True),
    Submission(3_000, restored=True),
)
VIEWS, CLICKS = "views: {count: VIEW}", "clicks: {count: CLICK}"
BOTH = features(VIEWS, CLICKS)

Shards = dict[int, ShardState]


def resume(found: Shards, submission: Submission, declarations: Path | None, adopt: str = "") -> Shards:
    """The states of a job's shards, by way of the bytes that a savepoint has."""
    settings = settings_of(declarations, adopt=adopt)
    copies = {key: ShardState.FromString(state.SerializeToString()) for key, state in found.items()}
    return lineage.resume(
        copies, lineage.own_shards(settings, KEYS), settings, submission, Bound(plan_of(declarations))
    )


def since(states: Shards) -> dict[str, int]:
    """Since when features are complete, the same in every shard."""
    found = {tuple(sorted(state.feature_since_ms.items())) for state in states.values()}
    assert len(found) == 1
    assert lineage.complete_since_ms(states.values()) == dict(*found)
    return dict(*found)


def test_a_new_job_has_every_feature_from_the_beginning() -> None:
    states = resume({}, NEW, BOTH)
    assert since(states) == {}
    plan = plan_of(BOTH)
    assert {tuple(state.layouts) for state in states.values()} == {(plan.layout.to_json(),)}
    assert dict(states[KEYS[0]].features) == plan.definitions


def test_a_new_feature_is_complete_since_the_job_was_submitted_with_it() -> None:
    states = resume(resume({}, NEW, features(VIEWS)), SECOND, BOTH)
    assert since(states) == {"clicks": 2_000}
    again = resume(states, SECOND, BOTH)  # a restart
    assert since(again) == {"clicks": 2_000}
    assert since(resume(again, THIRD, BOTH)) == {"clicks": 2_000}


def test_a_feature_that_is_gone_is_forgotten_and_new_if_it_returns() -> None:
    without = resume(resume({}, NEW, BOTH), SECOND, features(VIEWS))
    assert set(without[KEYS[0]].features) == {"views"}
    assert since(without) == {}
    assert since(resume(without, THIRD, BOTH)) == {"clicks": 3_000}
    other = features(VIEWS, "clicks: {count: CLICK, window: 7d}")
    assert since(resume(without, THIRD, other)) == {"clicks": 3_000}  # it may mean something else then


def test_what_is_computed_from_others_is_as_complete_as_they_are() -> None:
    share, doubled = "share: {ratio: [clicks, views]}", "doubled: {expr: share * 2}"
    begun = resume({}, NEW, BOTH)
    assert since(resume(begun, SECOND, features(doubled, share, VIEWS, CLICKS))) == {}
    assert since(resume(begun, SECOND, features(VIEWS, "visits: {expr: sessions_total}"))) == {}
    later = resume(resume({}, NEW, features(VIEWS)), SECOND, BOTH)
    expected = {"clicks": 2_000, "share": 2_000, "doubled": 2_000}
    assert since(resume(later, THIRD, features(VIEWS, doubled, share, CLICKS))) == expected


def test_another_name_for_the_same_is_as_complete_as_that() -> None:
    later = resume(resume({}, NEW, features(VIEWS)), SECOND, BOTH)
    renamed = features("seen: {count: VIEW}", "clicked: {count: CLICK}", "clicked_too: {count: CLICK}")
    found = resume(later, THIRD, renamed)
    assert since(found) == {"clicked": 2_000, "clicked_too": 2_000}
    assert since(resume(found, Submission(4_000, restored=True), BOTH)) == {"clicks": 2_000}


def test_what_the_core_keeps_of_every_session_was_always_there() -> None:
    session_clicks = "session_clicks: {count: CLICK, scope: session}"
    assert since(resume(resume({}, NEW, features(VIEWS)), SECOND, features(VIEWS, session_clicks))) == {}


def test_a_part_of_a_mean_is_no_feature_that_could_be_named() -> None:
    mean = "mean_view: {mean: value, of: VIEW}"
    states = resume(resume({}, NEW, features(VIEWS)), SECOND, features(VIEWS, mean))
    assert since(states)["mean_view"] == 2_000
    assert since(resume(states, THIRD, features(VIEWS))) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CLICKS, "clicks: {count: CLICK, half_life: 7d}"),
        (CLICKS, "clicks: {count: CLICK, default: 1}"),
        (CLICKS, "clicks: {count: CLICK, where: value > 1}"),
        ("clicks: {count: CLICK, window: 7d}", "clicks: {count: CLICK, window: 14d}"),
        ("clicks: {expr: views + 1}", "clicks: {expr: views + 2}"),
    ],
)
def test_another_definition_under_the_same_name_is_refused_with_what_to_do(before: str, after: str) -> None:
    states = resume({}, NEW, features(VIEWS, before))
    unchanged = {key: state.SerializeToString(deterministic=True) for key, state in states.items()}
    with pytest.raises(SettingError) as caught:
        resume(states, SECOND, features(VIEWS, after))
    message = str(caught.value)
    assert message.startswith("the definition of clicks is not that of the restored state: ")
    assert "a new name" in message
    assert "replay into another namespace" in message
    assert "docs/declarations.md#changing-declarations" in message
    assert "\n" not in message
    assert {key: state.SerializeToString(deterministic=True) for key, state in states.items()} == unchanged
    renamed = after.replace("clicks", "new_clicks")
    expected = {} if "expr" in after else {"new_clicks": 2_000}  # that is computed from what was there
    assert since(resume(states, SECOND, features(VIEWS, renamed))) == expected


def test_what_is_computed_from_a_changed_feature_is_named_too() -> None:
    share = "share: {ratio: [clicks, views]}"
    states = resume({}, NEW, features(VIEWS, CLICKS, share))
    changed = features(VIEWS, "clicks: {count: CLICK, scope: session}", share)
    with pytest.raises(SettingError, match="the definition of clicks, share is not"):
        resume(states, SECOND, changed)
    with pytest.raises(SettingError, match="the definition of clicks, share is not"):
        resume(states, SECOND, changed, adopt="feature_set")


@pytest.mark.parametrize(
    "line", ["clicks: {count: [CLICK], doc: every one, unit: clicks}", "clicks: {count: CLICK, vector: false}"]
)
def test_another_spelling_is_no_change(line: str) -> None:
    assert since(resume(resume({}, NEW, BOTH), SECOND, features(line, VIEWS))) == {}


def test_one_shard_with_another_meaning_is_enough_to_refuse() -> None:
    states = resume({}, NEW, BOTH)
    states[KEYS[-1] if KEYS[-1] in states else list(states)[-1]].features["clicks"] = "0123456789ab"
    with pytest.raises(SettingError, match="the definition of clicks is"):
        resume(states, SECOND, BOTH)


def test_each_layout_is_kept_once_and_v1_s_is_not_named() -> None:
    first, second = features(VIEWS), BOTH
    states: Shards = {}
    for at, declarations in enumerate((first, second, first, second, second)):
        states = resume(states, Submission(1_000 + at, restored=bool(at)), declarations)
    ids = [plan_of(declarations).layout.id for declarations in (first, second)]
    assert {tuple(Layout.from_json(each).id for each in state.layouts) for state in states.values()} == {tuple(ids)}
    shipped = resume(states, THIRD, None, adopt="feature_set")
    assert {len(state.layouts) for state in shipped.values()} == {2}
    assert BASE not in ids


def before_declarations() -> Shards:
    """The state of a release that knew none."""
    states = resume({}, NEW, None)
    for state in states.values():
        state.ClearField("features")
        assert (len(state.layouts), state.made_with["feature_set"]) == (0, FEATURE_SET)
    return states


def test_state_from_before_there_were_declarations_has_all_of_v1() -> None:
    states = resume(before_declarations(), SECOND, None)
    assert since(states) == {}
    assert dict(states[KEYS[0]].features) == plan_of(None).definitions


def test_a_shop_of_one_s_own_goes_on_with_what_v1_has(tmp_path: Path) -> None:
    write_project(tmp_path, "retail")
    (tmp_path / "more.yaml").write_text("features:\n  views_7d: {count: VIEW, window: 7d}\n  many: {expr: carts > 9}\n")
    for before in (before_declarations(), resume({}, NEW, None)):
        with pytest.raises(SettingError, match="feature_set=v1, not shop; submit with --set adopt=feature_set "):
            resume(before, SECOND, tmp_path)
        states = resume(before, SECOND, tmp_path, adopt="feature_set")
        assert since(states) == {"views_7d": 2_000}


def test_a_state_of_a_project_without_features_had_none() -> None:
    none = features(more="segments: {here: {when: events_total > 0}}\n")
    assert since(resume(resume({}, NEW, none), SECOND, features(CLICKS, "carts: {count: ADD_TO_CART}"))) == {
        "clicks": 2_000,
        "carts": 2_000,
    }
