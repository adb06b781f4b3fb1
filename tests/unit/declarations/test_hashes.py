"""A hash stands for what is computed: it changes with that, and with nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declarations.canonical import canonical
from tests.unit.declarations.projects import EVENTS, feature_of, plan_of_features, plan_of_files, plan_of_text

PARTS = (
    "project: {name: media}\n",
    EVENTS,
    "features:\n  plays: {count: play}\n  share: {ratio: [plays, likes]}\n",
    "features:\n  likes: {count: like, window: 7d}\n  m: {count: play, by: artist}\n",
    "scores:\n  s: {expr: plays}\n  t: {expr: share}\n",
    "segments:\n  x: {when: s > 1}\n  y: {enter: t > 1, leave: t < 0.5}\n",
)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 5), min_size=len(PARTS), max_size=len(PARTS)), st.sampled_from(["", "# a remark\n"]))
def test_files_and_remarks_are_no_part_of_it(files: list[int], remark: str) -> None:
    """Files are read in the order of their names, so that the order of features is kept."""
    names = ["abcdef"[place] for place in sorted(files)]
    texts: dict[str, str] = {}
    for index, (name, part) in enumerate(zip(names, PARTS, strict=True)):
        if name in texts and (part.split("\n")[0] + "\n") in texts[name]:
            name = f"{name}{index}"  # noqa: PLW2901  (a section stands in a file once)
        texts[name] = texts.get(name, "") + remark + part
    whole = plan_of_files(**{f"p{index}": part for index, part in enumerate(PARTS)})
    assert plan_of_files(**texts)["hash"] == whole["hash"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: {count: play}", "a: {count: play, doc: how often, unit: plays}"),
        ("a: {count: play, window: 7d}", "a: {count: [play], window: 1w, hop: 6h}"),
        ("a: {count: play, by: artist, weights: {play: 1}}", "a: {count: play, by: artist}"),
        ("a: {expr: 1 + 2}", "a: {expr: '1.0   + 2.0'}"),
        ("a: {sum: price, of: play}", "a: {sum: price, of: play, money: true, scope: lifetime}"),
    ],
)
def test_another_spelling_is_the_same(before: str, after: str) -> None:
    assert plan_of_features(before)["hash"] == plan_of_features(after)["hash"]


@pytest.mark.parametrize(
    "after",
    [
        "a: {count: like, window: 7d}",
        "a: {count: play, window: 14d}",
        "a: {count: play, window: 7d, hop: 1h}",
        "a: {count: play, window: 7d, where: live}",
        "a: {count: play, window: 7d, vector: false}",
        "a: {sum: seconds, of: play, window: 7d}",
        "b: {count: play, window: 7d}",
    ],
)
def test_another_definition_is_another(after: str) -> None:
    assert plan_of_features("a: {count: play, window: 7d}")["hash"] != plan_of_features(after)["hash"]


def test_a_feature_has_the_hash_of_what_it_is_computed_from() -> None:
    before = plan_of_features("a: {expr: b + 1}", "b: {count: play}", "c: {count: like}")
    after = plan_of_features("a: {expr: b + 1}", "b: {count: play, where: live}", "c: {count: like}")
    changed = [name for name in "abc" if feature_of(before, name)["hash"] != feature_of(after, name)["hash"]]
    assert changed == ["a", "b"]


def test_positions_and_names_of_others_are_no_part_of_it() -> None:
    before = plan_of_features("b: {count: play}", "a: {expr: b + 1, default: 3}")
    after = plan_of_features("z: {count: like}", "a: {expr: c + 1, default: 3}", "c: {count: play}")
    assert feature_of(before, "a")["hash"] == feature_of(after, "a")["hash"]


def test_the_order_of_events_scores_and_segments_is_no_part_of_it() -> None:
    label = "model: classification, label: {event: like, within: 1h}"
    text = "features: {a: {count: play}}\nscores:\n"
    score, other = f"  s: {{{label}}}\n", "  t: {expr: a}\n"
    segments = ("  u: {when: a > 1}\n", "  v: {when: a > 2}\n")
    one = plan_of_text(text + score + other + "segments:\n" + "".join(segments))
    two = plan_of_text(text + other + score + "segments:\n" + "".join(reversed(segments)))
    assert one["hash"] == two["hash"]
    lines = EVENTS.splitlines(keepends=True)
    swapped = "".join([lines[0], lines[-1], *lines[1:-1]])
    assert plan_of_files(a=swapped + text + score + other + "segments:\n" + "".join(segments))["hash"] == one["hash"]


def test_the_order_of_the_vector_is() -> None:
    assert (
        plan_of_features("a: {count: play}", "b: {count: like}")["hash"]
        != (plan_of_features("b: {count: like}", "a: {count: play}")["hash"])
    )


def test_what_a_field_is_read_from_is() -> None:
    text = "events: {play: {fields: {artist: {type: string%s}}}}\nfeatures: {a: {distinct: artist, of: play}}\n"
    hashes = {
        plan_of_files(a=text % more)["features"][0]["hash"] for more in ("", ", from: item_id", ", default: none")
    }
    assert len(hashes) == 3
    assert plan_of_files(a=text % ", required: true")["features"][0]["hash"] in hashes


def test_canonical_data_is_equal_for_equal_meaning() -> None:
    assert canonical({"b": 1.0, "a": [2.5, True, "é"]}) == '{"a":[2.5,true,"é"],"b":1}'


def test_hashes_stay_what_they_are() -> None:
    """Models and states are kept with them: another hash of an unchanged definition would make both useless."""
    plan = plan_of_features(
        "plays: {count: play}",
        "week: {sum: price, of: play, window: 7d}",
        "share: {ratio: [plays, week], default: 1}",
        "night: {count: play, where: hour(time) < 6 && live}",
        "taste: {count: any, by: category, half_life: 30d, cap: 9}",
    )
    hashes = [feature["hash"] for feature in plan["features"]]
    assert hashes == ["8fcbf7c76eeb", "802773208bd7", "20611fd7f539", "e528ddf04d44", "a695b901f4f8"]
    assert plan["hash"] == "e26aef32167f"


AWAY = "as_of_ms - last_event_ms"


def test_the_time_of_the_newest_event_is_the_as_of_time_as_of_an_event() -> None:
    before = plan_of_features("a: {expr: as_of_ms - session_start_ms}", "b: {expr: a / 2}", "c: {expr: hour(as_of_ms)}")
    after = plan_of_features(
        "a: {expr: last_event_ms - session_start_ms}", "b: {expr: a / 2}", "c: {expr: hour(last_event_ms)}"
    )
    assert [feature_of(before, name)["hash"] for name in "abc"] == [feature_of(after, name)["hash"] for name in "abc"]
    assert before["hash"] == after["hash"]
    assert feature_of(before, "a")["expr"] != feature_of(after, "a")["expr"]


def test_for_segments_which_are_decided_at_ages_too_they_differ() -> None:
    features = "features:\n  a: {expr: as_of_ms - session_start_ms}\n  b: {expr: last_event_ms - session_start_ms}\n"
    segments = ["a > 5", "b > 5", "as_of_ms - session_start_ms > 5", f"{AWAY} > 5", f"{AWAY} + 0 * a > 5"]
    declared = "".join(f"  s{at}: {{when: {when}}}\n" for at, when in enumerate(segments))
    plan = plan_of_text(features + "segments:\n" + declared)
    assert len({segment["hash"] for segment in plan["segments"]}) == len(segments)


def test_the_ages_by_default_are_no_part_of_it() -> None:
    text = "features:\n  a: {count: play}\n"
    default = plan_of_text(text)["hash"]
    assert plan_of_text(text + "project: {ages: [1h, 6h, 1d, 3d, 1w, 2w, 30d, 60d]}")["hash"] == default
    others = {plan_of_text(text + f"project: {{ages: {ages}}}")["hash"] for ages in ("[]", "[1h]", "[1h, 2h]")}
    assert len(others | {default}) == 4
