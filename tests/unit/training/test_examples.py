"""Labels never look at what the features may not know, and the features are those of serving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftline.errors import InputError
from driftline.jsonlines import format_event
from driftline.models import OnnxModel
from driftline.state.v1.state_pb2 import ShardState
from driftline.training.examples import HORIZON_MS, make_examples, read_history
from driftline.training.model import evaluate, fit, split, to_onnx
from tests.builders import (
    HOUR,
    MINUTE,
    NOW,
    T0,
    HalfModel,
    block,
    bounds,
    event,
    fold_block,
    message,
    processor,
    timelines,
    to_message,
)
from udfs.event import FORGET, PURCHASE, Event
from udfs.features import V1

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
    assert examples.skipped == 2


def test_duplicates_and_forgotten_history_make_no_examples() -> None:
    examples = make_examples({"u": [event(0), event(0), event(1, FORGET), event(MINUTE)], "x": [END]}, bounds())
    assert [int(t) - T0 for t in examples.times_ms] == [0, MINUTE]
    assert examples.vectors[1][0] == 1  # session_events: nothing from before


def test_features_are_those_that_serving_computes() -> None:
    events = [event(n * MINUTE * 7, kind=1 + n % 8, value=float(n), category=f"c{n % 3}") for n in range(30)]
    examples = make_examples({"u": events, "other": [END]}, bounds())
    seen: list[list[float]] = []

    class Recorder(HalfModel):
        def predict(self, vectors: Any) -> list[float]:
            seen.extend(vectors)
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
    users, invalid_count = read_history(path)
    assert (list(users), invalid_count) == (["u1"], 1)
    path.write_text(f"{good}\nnonsense\n")
    with pytest.raises(InputError, match=r"history.jsonl, line 2"):
        read_history(path)
    with pytest.raises(InputError, match="No such file"):
        read_history(tmp_path / "missing")


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
