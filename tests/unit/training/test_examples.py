"""Labels never look at what the features may not know, and the features are those of serving."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.catalogue import V1
from driftline.errors import InputError
from driftline.jsonlines import format_event
from driftline.onnx_model import OnnxModel
from driftline.state.v1.state_pb2 import ShardState
from history.reading import EventReader
from jobs.pipeline import decoder_of
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    T0,
    HalfModel,
    block,
    bounds,
    event,
    fold_block,
    job_settings,
    message,
    processor,
    timelines,
    to_message,
)
from tests.unit.udfs.strategies import histories
from tests.v1 import affinities, vector
from training.examples import make_examples, read_history
from training.histories import LeftOut
from training.labels import PURCHASE_WITHIN_30_MIN
from training.model import evaluate, fit, split, to_onnx
from training.reports import Report
from udfs.event import CUSTOM, FORGET, PURCHASE, VIEW, Event
from udfs.timeline import Timeline

HORIZON_MS = PURCHASE_WITHIN_30_MIN.within_ms
DECODER = decoder_of(job_settings())
END = event(HOUR * 5, event_id="end")  # so that the history does not end right after what a test looks at


def labels_of(*events: Event) -> dict[int, int]:
    examples = make_examples({"u": list(events), "other": [END]}, bounds())
    return {int(t) - T0: int(label) for t, label in zip(examples.times_ms, examples.labels, strict=True)}


def test_label_is_a_purchase_within_the_next_thirty_minutes() -> None:
    buy = event(HORIZON_MS, PURCHASE, event_id="buy")
    assert labels_of(event(-1, event_id="a"), event(0, event_id="b"), buy) == {-1: 0, 0: 1, HORIZON_MS: 0}


def test_a_purchase_is_no_label_for_itself_or_for_its_own_instant() -> None:
    assert labels_of(event(0, PURCHASE)) == {0: 0}
    assert labels_of(event(0), event(0, PURCHASE, event_id="z")) == {0: 0}


def test_events_whose_future_is_not_known_are_left_out() -> None:
    examples = make_examples({"u": [event(0), event(HORIZON_MS), event(HORIZON_MS + 1)]}, bounds())
    assert [int(t) - T0 for t in examples.times_ms] == [0]
    assert examples.left_out.counts == {"without a known future": 2}


def test_duplicates_and_forgotten_history_make_no_examples() -> None:
    examples = make_examples({"u": [event(0), event(0), event(1, FORGET), event(MINUTE)], "x": [END]}, bounds())
    assert [int(t) - T0 for t in examples.times_ms] == [MINUTE]
    assert examples.vectors[0][0] == 1  # session_events: nothing from before
    counted = {"DUPLICATE": 1, "FORGET": 1, "forgotten": 1, "without a known future": 1}
    assert examples.left_out.counts == counted


def test_features_are_those_that_serving_computes() -> None:
    events = [event(n * MINUTE * 7, kind=1 + n % 8, value=float(n), category=f"c{n % 3}") for n in range(30)]
    examples = make_examples({"u": events, "other": [END]}, bounds())
    seen: list[list[float]] = []

    class Recorder(HalfModel):
        def predict(self, vectors: Any) -> list[float]:
            seen.extend(list(array("f", row)) for row in vectors)
            return super().predict(vectors)

    fold, users = processor(Recorder()), timelines()
    shard = ShardState()
    for e in events:
        fold_block(fold, block(to_message("u", e)), shard, users, now_ms=NOW)
    served = np.asarray(seen, dtype=np.float32)
    assert np.array_equal(examples.vectors[: len(served)], served)


def test_history_file_counts_invalid_events_and_names_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    good, invalid = format_event(message()), format_event(message(event_id=""))
    path.write_text(f"{good}\n{invalid}\n")
    users, left_out = read_history(EventReader([path]), DECODER, NOW)
    assert (list(users), left_out.counts) == (["u1"], {"MISSING_FIELD": 1})
    assert str(left_out) == "1 MISSING_FIELD (first in line 2: event_id is missing)"
    path.write_text(f"{good}\nnonsense\n")
    with pytest.raises(InputError, match=r"history.jsonl, line 2"):
        read_history(EventReader([path]), DECODER, NOW)
    with pytest.raises(InputError, match="No such file"):
        read_history(EventReader([tmp_path / "missing"]), DECODER, NOW)


STRAY = [
    {"eventTimeMs": 1200},
    {"eventTimeMs": 1_650_950_229_000_000},
    {"eventTimeMs": NOW + HOUR},  # a device a year ahead
    {"eventTimeMs": 949_778_714},
]


def test_what_no_clock_can_have_shown_is_left_out_and_named_and_the_rest_is_learned_from(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    lines = [format_event(to_message(user, e)) for user, events in _buyers().items() for e in events]
    good = tmp_path / "good.jsonl"
    good.write_text("\n".join(lines))
    stray = [json.dumps({"eventId": f"s{n}", "userId": "rtc", "type": "VIEW", **s}) for n, s in enumerate(STRAY)]
    path.write_text("\n".join([*lines, *stray]))
    users, left_out = read_history(EventReader([path]), DECODER, NOW)
    assert left_out.counts == {"INVALID_VALUE": 3, "CLOCK_SKEW": 1}
    assert "event_time_ms is before the bound event_time_min_ms" in str(left_out)
    examples = make_examples(users, bounds(), left_out)
    same = make_examples(read_history(EventReader([good]), DECODER, NOW)[0], bounds())
    assert np.array_equal(examples.vectors, same.vectors)
    assert [mask.sum() for mask in split(examples)] == [mask.sum() for mask in split(same)]


def test_a_stray_date_within_the_bounds_leaves_both_sides_of_the_split_alone() -> None:
    usual, stray = _buyers(), _buyers()
    stray["old"] = [event(-20 * 365 * DAY)]
    assert [mask.sum() for mask in split(make_examples(stray, bounds()))] == pytest.approx(
        [mask.sum() for mask in split(make_examples(usual, bounds()))], abs=2
    )


def test_events_that_are_late_in_the_order_of_the_file_are_left_out_as_the_job_would() -> None:
    examples = make_examples({"u": [event(HOUR), event(0), event(HOUR - MINUTE)], "x": [END]}, bounds())
    assert [int(t) - T0 for t in examples.times_ms] == [HOUR - MINUTE, HOUR]
    assert examples.left_out.counts["LATE"] == 1
    assert "sort it by time" in str(examples.left_out)


@pytest.mark.parametrize(
    ("history", "kept_ms"),
    [
        ([event(0), event(HOUR), event(10 * MINUTE, FORGET)], [HOUR]),  # asked for long before it was processed
        ([event(0), event(2 * MINUTE), event(30_000, FORGET)], []),  # the device is two minutes fast
        ([event(0), event(MINUTE, FORGET)], []),
        ([event(MINUTE, FORGET), event(30_000), event(2 * MINUTE)], [2 * MINUTE]),
        ([event(2 * HOUR), event(3 * HOUR), event(0, FORGET)], [2 * HOUR, 3 * HOUR]),
    ],
)
def test_nothing_that_the_job_has_forgotten_is_learned_from(history: list[Event], kept_ms: list[int]) -> None:
    examples = make_examples({"u": history, "x": [END]}, bounds())
    assert [int(t) - T0 for t in examples.times_ms] == kept_ms


@given(st.data(), histories())
def test_examples_end_where_the_job_s_profile_is(data: st.DataObject, history: list[Event]) -> None:
    arriving = data.draw(st.permutations(history))
    fold = Timeline.begin(bounds())
    for e in arriving:
        fold.offer(e)
    profile = fold.profile()
    ends = [event(100 * DAY, event_id="end")]
    examples = make_examples({"u": arriving, "x": ends}, bounds())
    if profile.empty:
        assert len(examples) == 0
    else:
        served = np.asarray(vector(profile, affinities(profile)), dtype=np.float32)
        assert np.array_equal(examples.vectors[-1], served)


@given(histories(kinds=st.sampled_from([VIEW, PURCHASE, CUSTOM])), st.integers(0, 29))
def test_what_came_later_changes_neither_features_nor_a_label_that_was_known(history: list[Event], cut: int) -> None:
    """Point in time: a row that could be made then is the row that is made now."""
    until_ms = history[min(cut, len(history) - 1)].time_ms
    then = make_examples({"u": [e for e in history if e.time_ms <= until_ms]}, bounds())
    now = make_examples({"u": [*history, event(400 * DAY, event_id="end")]}, bounds())
    known = now.times_ms + HORIZON_MS <= until_ms
    assert np.array_equal(then.times_ms, now.times_ms[known])
    assert np.array_equal(then.labels, now.labels[known])
    assert then.vectors.tolist() == now.vectors[known].tolist()


def test_too_little_history_names_what_was_left_out() -> None:
    left_out = LeftOut()
    left_out.add("INVALID_VALUE", "line 3: event_time_ms is before the bound", 7)
    with pytest.raises(InputError, match=r"no usable events\. Left out: 7 INVALID_VALUE \(first in line 3: event_time"):
        split(make_examples({}, bounds(), left_out))


def test_too_little_history_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="give more users or days"):
        split(make_examples({"u": [event(0)], "x": [END]}, bounds()))


def test_split_holds_out_users_and_leaves_a_gap_before_the_test() -> None:
    examples = make_examples(_buyers(), bounds())
    train, test = split(examples)
    assert not set(examples.user_hashes[train]) & set(examples.user_hashes[test])
    assert examples.times_ms[train].max() + HORIZON_MS < examples.times_ms[test].min()


def test_training_finds_the_signal_and_reports_it() -> None:
    examples = make_examples(_buyers(), bounds())
    train, test = split(examples)
    report = evaluate(OnnxModel(to_onnx(fit(examples, train)), ""), examples, train, test)
    assert isinstance(report, Report)
    assert report.auc > 0.9
    assert report.average_precision > report.base_rate
    assert report.brier < report.brier_base
    assert sum(count for *_, count in report.calibration) == report.test_examples == int(test.sum())
    assert examples.vectors.shape == (len(examples), len(V1))


def _buyers() -> dict[str, list[Event]]:
    """400 users; those who look at shoes buy ten minutes later."""
    rng = np.random.default_rng(1)
    users = {}
    for number in range(400):
        events = []
        for visit in range(6):
            at = int(rng.integers(0, 10 * HOUR)) + visit * 20 * HOUR
            shoes = bool(rng.random() < 0.4)
            look = event(at, kind=3 if shoes else 1, event_id=f"{visit}-look")
            events.append(look)
            if shoes:
                events.append(event(at + 10 * MINUTE, PURCHASE, event_id=f"{visit}-buy", value=5.0))
        users[f"user-{number}"] = events
    return users
