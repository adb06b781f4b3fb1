from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.duty import read_state, score_users, write_state
from benchmarks.oracle import expected_scores, share_equal
from driftline.jsonlines import format_event
from sink_connectors.score_value import decode_value
from tests.builders import MINUTE, event, message
from udfs.event import FORGET


class Half:
    """A model that answers 0.5."""

    version = "half"

    def predict(self, vectors: NDArray[np.float32]) -> list[float]:
        return [0.5] * len(vectors)


class Models:
    """A folder of the one model."""

    def current_version(self) -> str:
        return "half"

    def load(self, version: str) -> Half:
        return Half()


def history(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_neither_repeats_nor_the_order_of_arrival_show(tmp_path: Path) -> None:
    lines = [format_event(message(f"u{n % 3}", at_ms=n * 1_000)) for n in range(30)]
    mixed = [*lines, *lines[:7]]
    random.Random(1).shuffle(mixed)
    straight = expected_scores(history(tmp_path / "a", lines), len(lines), Models())  # type: ignore[arg-type]
    shuffled = expected_scores(history(tmp_path / "b", mixed), len(mixed), Models())  # type: ignore[arg-type]
    assert [json.loads(line)["userId"] for line in straight] == ["u0", "u1", "u2"]
    assert straight == shuffled


def test_only_the_first_lines_count(tmp_path: Path) -> None:
    path = history(tmp_path / "a", [format_event(message(f"u{n}")) for n in range(5)])
    assert len(expected_scores(path, 2, Models())) == 2  # type: ignore[arg-type]


def test_a_user_missing_wrong_or_too_many_lowers_the_share() -> None:
    assert share_equal(["a", "b"], ["a", "b"]) == 1.0
    assert share_equal(["a", "b"], ["a"]) == 0.5
    assert share_equal(["a", "b"], ["a", "x"]) == 0.5
    assert share_equal(["a"], ["a", "b"]) == 0.5


def test_the_state_of_a_contender_carries_the_whole_timeline() -> None:
    timeline = read_state(None)
    for minute in range(5):
        timeline.offer(event(minute * MINUTE))
    again = read_state(write_state(timeline))
    assert again.profile().values == timeline.profile().values
    assert again.accepted == 5


def test_one_call_scores_known_and_forgotten_users() -> None:
    known, forgotten = read_state(None), read_state(None)
    known.offer(event(0))
    forgotten.offer(event(0, FORGET))
    values = dict(score_users([("k", known), ("f", forgotten)], Half()))  # type: ignore[arg-type]
    assert decode_value(values["f"]).is_tombstone
    assert decode_value(values["k"]).accepted_events == 1
    assert not decode_value(values["k"]).is_tombstone
