"""Declarations become a plan: reducers by meaning, features that read them, expressions by position."""

from __future__ import annotations

from typing import Any

import pytest

from declarations.windows import window_of
from driftline.units import DAY_MS, HOUR_MS
from tests.unit.declarations.projects import feature_of, plan_of_features, plan_of_files, plan_of_text, reducer_of

H6 = 6 * HOUR_MS


@pytest.mark.parametrize(
    ("feature", "key", "params", "read"),
    [
        ("{count: play}", "count(of=play)", {}, ["value"]),
        ("{count: [like, play]}", "count(of=like+play)", {}, ["value"]),
        ("{count: any}", "count(of=any)", {}, ["value"]),
        ("{count: play, scope: session}", "count(of=play,scope=session)", {}, ["value"]),
        (
            "{count: play, half_life: 7d}",
            f"count(half_life_ms={7 * DAY_MS},of=play)",
            {"half_life_ms": 7 * DAY_MS},
            ["value"],
        ),
        (
            "{count: play, window: 7d}",
            f"window(hop_ms={H6},of=play)",
            {"hop_ms": H6, "hops": 28, "agg": "count"},
            ["sum", 28],
        ),
        ("{sum: seconds, of: play}", "sum(of=play,value=properties.seconds:number)", {}, ["value"]),
        ("{sum: seconds}", "sum(of=play,value=properties.seconds:number)", {}, ["value"]),
        ("{sum: price}", "sum(money=true,of=play,value=properties.price:money)", {}, ["value"]),
        ("{sum: value, of: PURCHASE}", "sum(money=true,of=PURCHASE,value=value)", {}, ["value"]),
        ("{count: PURCHASE, money: left_out}", "count(money=left_out,of=PURCHASE)", {}, ["value"]),
        ("{stddev: seconds, of: play}", "moments(of=play,value=properties.seconds:number)", {}, ["stddev"]),
        (
            "{max: seconds, of: play}",
            "extreme(agg=max,of=play,value=properties.seconds:number)",
            {"agg": "max"},
            ["value"],
        ),
        (
            "{min: seconds, of: play, window: 1d}",
            f"window(agg=min,hop_ms={HOUR_MS},of=play,value=properties.seconds:number)",
            {"hop_ms": HOUR_MS, "hops": 24, "agg": "min"},
            ["min", 24],
        ),
        (
            "{first: artist, of: play}",
            "edge(of=play,text=true,value=properties.artist,which=first)",
            {"which": "first", "text": True},
            ["value"],
        ),
        (
            "{last: seconds, of: play, default: -1}",
            "edge(flag=true,of=play,value=properties.seconds:number,which=last)",
            {"which": "last", "text": False, "flag": True},
            ["value"],
        ),
        ("{since: like, unit: d}", "since(of=like)", {}, ["since", DAY_MS]),
        (
            "{distinct: genres, of: play}",
            "distinct(of=play,value=properties.genres:strings)",
            {"exact": 256},
            ["count"],
        ),
        ("{streak: play}", "streak(of=play)", {}, ["days"]),
        ("{changes: artist, of: play}", "changes(of=play,value=properties.artist)", {}, ["value"]),
        ("{count: play, by: artist}", "by(by=properties.artist,of=play)", {}, ["map"]),
        (
            "{count: [play, like], by: artist, cap: 9, weights: {like: 3, play: 1}}",
            'by(by=properties.artist,cap=9,of=like+play,weights={"like":3})',
            {"cap": 9},
            ["map"],
        ),
        (
            "{sum: seconds, of: play, by: artist, window: 7d}",
            f"by_window(agg=sum,by=properties.artist,hop_ms={H6},of=play,value=properties.seconds:number)",
            {"hop_ms": H6, "hops": 28, "agg": "sum"},
            ["map", 28],
        ),
        (
            "{count: play, where: seconds < 30 && artist != 'x'}",
            'count(of=play,where=["&&",["<",["term","properties.seconds:number"],30],'
            '["text_!=",["term","properties.artist"],["text","x"]]])',
            {},
            ["value"],
        ),
    ],
)
def test_a_feature_reads_the_reducer_of_its_meaning(
    feature: str, key: str, params: dict[str, Any], read: list[Any]
) -> None:
    plan = plan_of_features(f"a: {feature}")
    assert reducer_of(plan, "a")["key"] == key
    assert reducer_of(plan, "a")["params"] == params
    assert feature_of(plan, "a")["read"] == read


def test_an_entry_has_what_the_core_needs() -> None:
    plan = plan_of_features("a: {sum: seconds, of: play, by: artist, weights: {play: 2}, where: live}")
    assert reducer_of(plan, "a")["on"] == [
        {
            "type": 11,
            "where": ["number_field", 1],
            "value": ["number_field", 0],
            "key": ["text_field", 0],
            "weight": 2,
            "money": False,
        }
    ]
    assert feature_of(plan, "a") == {
        "name": "a",
        "kind": "map",
        "unit": "1",
        "default": 0,
        "formula": "sum seconds, of play, by artist, where live, weights play 2",
        "vector": False,
        "served": True,
        "hash": feature_of(plan, "a")["hash"],
        "reducer": 0,
        "read": ["map"],
    }


def test_events_of_a_plan() -> None:
    plan = plan_of_text(
        "  pay: {name: Paid Out, fields: {to: {type: string, from: item_id}}, item: to, category: to}\n"
    )
    assert [(event["name"], event["number"], event["type"], event["custom"]) for event in plan["events"]] == [
        ("play", 11, 8, "play"),
        ("like", 12, 8, "like"),
        ("pay", 13, 8, "Paid Out"),
    ]
    assert plan["events"][2]["fields"] == [
        {"name": "to", "kind": "text", "from": "item_id", "required": False, "default": ""}
    ]
    assert plan["events"][2]["roles"] == {"item": "to", "category": "to"}
    assert [field["kind"] for field in plan["events"][0]["fields"]] == ["text", "number", "bool", "money", "strings"]


def test_equal_meaning_shares_a_reducer() -> None:
    plan = plan_of_features("a: {count: play}", "b: {count: [play]}", "c: {mean: seconds, of: play}")
    assert [reducer["key"] for reducer in plan["reducers"]] == [
        "count(of=play)",
        "sum(of=play,value=properties.seconds:number)",
    ]


def test_windows_share_the_longest() -> None:
    plan = plan_of_features("a: {count: play, window: 1d, hop: 1h}", "b: {count: play, window: 5d, hop: 1h}")
    assert [reducer["params"]["hops"] for reducer in plan["reducers"]] == [120]
    assert [feature["read"] for feature in plan["features"]] == [["sum", 24], ["sum", 120]]


def test_what_is_called_otherwise_means_the_same() -> None:
    """Neither the name of a feature or field nor that of an event in the declarations is part of the meaning."""
    plan = plan_of_files(
        a="events: {song: {name: play, fields: {by_whom: {type: string, from: properties.artist}}}}\n"
        "features: {x: {changes: by_whom, of: song}}\n"
    )
    assert plan["reducers"][0]["key"] == reducer_of(plan_of_features("a: {changes: artist, of: play}"), "a")["key"]


def test_declaring_an_event_changes_no_feature_of_custom_or_any() -> None:
    features = (
        "features: {a: {count: CUSTOM, where: type == 'CUSTOM'}, b: {count: any}, c: {count: [CUSTOM, REFUND]}}\n"
    )
    alone, with_more = plan_of_files(a=features), plan_of_text(features)
    for name in ("a", "b", "c"):
        assert feature_of(alone, name)["hash"] == feature_of(with_more, name)["hash"]
    assert [entry["type"] for entry in reducer_of(alone, "a")["on"]] == [8]
    assert [entry["type"] for entry in reducer_of(with_more, "a")["on"]] == [8, 11, 12]
    assert {str(entry["where"]) for entry in reducer_of(with_more, "a")["on"]} == {
        "['text_==', ['text', 'CUSTOM'], ['text', 'CUSTOM']]"
    }
    assert [entry["type"] for entry in reducer_of(with_more, "b")["on"]] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12]
    assert [entry["type"] for entry in reducer_of(with_more, "c")["on"]] == [8, 10, 11, 12]


def test_a_type_that_is_named_itself_has_its_own_weight_beside_custom() -> None:
    plan = plan_of_features("a: {count: [CUSTOM, play], weights: {play: 5}}", "b: {count: any, weights: {CUSTOM: 2}}")
    assert {entry["type"]: entry["weight"] for entry in reducer_of(plan, "a")["on"]} == {8: 1, 11: 5, 12: 1}
    weights = {entry["type"]: entry["weight"] for entry in reducer_of(plan, "b")["on"]}
    assert [weights[kind] for kind in (1, 8, 11, 12)] == [1, 2, 2, 2]


def test_a_previous_session_is_copied_from_the_current_one() -> None:
    plan = plan_of_features("a: {count: play, scope: previous_session}")
    current, previous = plan["reducers"]
    assert (current["key"], previous["key"]) == (
        "count(of=play,scope=session)",
        "count(of=play,scope=previous_session)",
    )
    assert (previous["source"], previous["on"], previous["scope"]) == (0, [], "previous_session")
    assert feature_of(plan, "a")["reducer"] == 1


def test_a_mean_is_a_sum_and_a_number() -> None:
    plan = plan_of_features("a: {mean: seconds, of: play, default: 7, window: 7d}")
    summed, number, mean = plan["features"]
    assert (summed["name"], number["name"]) == ("_a_sum", "_a_count")
    assert all(part["hidden"] and not part["vector"] for part in (summed, number))
    assert mean["expr"] == ["?:", ["!=", ["feature", 1], 0.0], ["/", ["feature", 0], ["feature", 1]], 7.0]
    assert mean["vector"]
    assert "hidden" not in mean


def test_kinds_that_become_several_features() -> None:
    plan = plan_of_features(
        "k: {last_k: seconds, of: play, k: 2}",
        "h: {histogram: seconds, of: play, edges: [1, 2.5]}",
        "d: {count: play, calendar: day_of_week}",
    )
    names = [feature["name"] for feature in plan["features"]]
    assert names == ["k_0", "k_1", "h_0", "h_1", "h_2", *(f"d_{day}" for day in range(7))]
    assert [feature["read"] for feature in plan["features"][:5]] == [["nth", i] for i in (0, 1, 0, 1, 2)]
    assert len(plan["reducers"]) == 3
    assert plan["reducers"][1]["params"] == {"edges": [1, 2.5]}


def test_the_vector_has_the_declared_order_whatever_needs_what() -> None:
    plan = plan_of_features(
        "a: {expr: b + c}", "b: {count: play}", "c: {expr: b * d}", "d: {count: like}", "t: {expr: top(m)}",
        "m: {count: play, by: artist}",
    )  # fmt: skip
    assert [feature["name"] for feature in plan["features"] if feature["vector"]] == ["a", "b", "c", "d"]
    assert [feature["name"] for feature in plan["features"]] == ["a", "b", "c", "d", "t", "m"]
    assert feature_of(plan, "a")["expr"] == ["+", ["feature", 1], ["feature", 2]]
    assert feature_of(plan, "t")["expr"] == ["top_key", ["map_feature", 5]]
    assert [position for position, feature in enumerate(plan["features"]) if feature["served"]] == [4, 5]


def test_expressions_see_the_profile() -> None:
    plan = plan_of_features("a: {expr: events_total / ended_sessions}")
    assert feature_of(plan, "a")["expr"] == ["/", ["slot", "events"], ["-", ["slot", "sessions"], 1.0]]


def test_texts_maps_and_truths() -> None:
    plan = plan_of_features(
        "m: {count: play, by: artist}", "t: {last: artist, of: play}", "same: {expr: top(m) == t}",
        "n: {expr: 'same ? 1 : 0'}", "off: {count: play, vector: false}",
    )  # fmt: skip
    assert [(feature["kind"], feature["vector"]) for feature in plan["features"]] == [
        ("map", False), ("text", False), ("number", True), ("number", True), ("number", False),
    ]  # fmt: skip


def test_the_zone_is_part_of_the_meaning_where_clocks_are_read() -> None:
    night = "a: {count: CLICK, where: hour(time) < 6}"
    text = f"features: {{{night}, b: {{count: CLICK}}, c: {{streak: CLICK}}, d: {{expr: hour()}}}}\n"
    utc, berlin = plan_of_files(a=text), plan_of_files(a="project: {time_zone: Europe/Berlin}\n" + text)
    changed = [name for name in "abcd" if feature_of(utc, name)["hash"] != feature_of(berlin, name)["hash"]]
    assert changed == ["a", "c", "d"]
    assert reducer_of(berlin, "c")["params"] == {"zone": "Europe/Berlin"}


def test_scores_and_labels() -> None:
    plan = plan_of_text(
        "features:\n"
        "  plays: {count: play}\n"
        "  likes: {count: like, vector: false}\n"
        "  skips: {count: play, where: seconds < 9}\n"
        "scores:\n"
        "  engagement: {expr: log1p(plays + likes)}\n"
        "  fan: {model: classification, label: {event: like, within: 30m, where: artist == 'x'}, features: [skips]}\n"
        "  spend: {model: regression, label: {sum: price, of: play, within: 7d}, estimator: Ridge, folder: '.'}\n"
        "  churn: {model: classification, label: {absence_of: any, within: 14d}}\n"
    )
    engagement, fan, spend, churn = plan["scores"]
    assert engagement["expr"] == ["log1p", ["+", ["feature", 0], ["feature", 1]]]
    assert fan["label"] == {
        "kind": "event",
        "types": [12],
        "where": ["text_==", ["text_field", 0], ["text", "x"]],
        "within_ms": 30 * 60_000,
        "at_ages": False,
    }
    assert (fan["model"]["features"], fan["folder"]) == ([2], "fan")
    assert spend["label"]["value"] == ["number_field", 2]
    assert (spend["model"]["estimator"], spend["folder"]) == ({"name": "Ridge", "params": {}}, ".")
    assert spend["model"]["features"] == [0, 2]
    assert churn["label"]["types"] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12]
    assert churn["label"]["at_ages"] and not spend["label"]["at_ages"]


BOTH = (
    "features: {plays: {count: play}, likes: {count: like}, rate: {count: play, half_life: 7d}}\n"
    "scores:\n"
    "  churn:\n"
    "    expr: 1 / (1 + rate)\n"
)
MODEL = (
    "    model: classification\n"
    "    label: {absence_of: any, within: 14d, at_ages: false}\n"
    "    features: [rate, plays]\n"
    "    rises_with: plays\n"
    "    falls_with: [rate]\n"
)


def test_a_score_may_have_a_formula_and_a_model() -> None:
    (churn,) = plan_of_text(BOTH + MODEL)["scores"]
    assert churn["expr"] == ["/", 1.0, ["+", 1.0, ["feature", 2]]]
    assert churn["model"] == {
        "task": "classification",
        "features": [2, 0],
        "estimator": None,
        "rises_with": [0],
        "falls_with": [2],
    }
    assert (churn["folder"], churn["label"]["at_ages"]) == ("churn", False)


def test_a_model_beside_a_formula_changes_no_meaning() -> None:
    alone, both = plan_of_text(BOTH), plan_of_text(BOTH + MODEL)
    elsewhere = plan_of_text(BOTH + MODEL + "    folder: x\n")
    assert alone["hash"] == both["hash"] == elsewhere["hash"]
    assert alone["scores"][0]["hash"] == both["scores"][0]["hash"]
    model_alone = plan_of_text(BOTH.replace("    expr: 1 / (1 + rate)\n", "") + MODEL)
    assert model_alone["hash"] != alone["hash"]


def test_a_segment_over_a_score_with_both_is_of_the_value_that_is_served() -> None:
    (gone,) = plan_of_text(BOTH + MODEL + "segments: {gone: {when: churn > 0.9}}\n")["segments"]
    assert gone["on_models"] and gone["enter"] == [">", ["score", "churn"], 0.9]
    (gone,) = plan_of_text(BOTH + "segments: {gone: {when: churn > 0.9}}\n")["segments"]
    assert not gone["on_models"]


def test_segments() -> None:
    plan = plan_of_text(
        "features: {plays: {count: play}, many: {expr: plays > 9}}\n"
        "scores:\n"
        "  busy: {expr: plays / 10}\n"
        "  fan: {model: classification, label: {event: like, within: 1h}}\n"
        "segments:\n"
        "  a: {enter: busy > 0.5, leave: plays < 2, min_stay: 1d}\n"
        "  b: {when: fan > 0.5 && busy > 0.1}\n"
        "  c: {when: many}\n"
    )
    a, b, c = plan["segments"]
    busy = ["coalesce", ["/", ["feature", 0], 10.0], 0.0]  # 0 where it has no value, as it is served
    assert (a["enter"], a["leave"]) == ([">", busy, 0.5], ["<", ["feature", 0], 2.0])
    assert (a["min_stay_ms"], a["on_models"], b["on_models"], c["on_models"]) == (DAY_MS, False, True, False)
    assert b["enter"] == ["&&", [">", ["score", "fan"], 0.5], [">", busy, 0.1]]
    assert (c["enter"], c["leave"], c["min_stay_ms"]) == (["feature", 1], None, 0)


@pytest.mark.parametrize(
    ("window_ms", "hop_ms"),
    [(HOUR_MS, 300_000), (DAY_MS, HOUR_MS), (7 * DAY_MS, H6), (30 * DAY_MS, DAY_MS), (90 * 60_000, 300_000)],
)
def test_usual_hops(window_ms: int, hop_ms: int) -> None:
    assert window_of(window_ms, None) == (hop_ms, window_ms // hop_ms)
