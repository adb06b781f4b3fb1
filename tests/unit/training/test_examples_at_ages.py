"""Examples of silence: the features as of an age, the label from there on, and nothing of what came after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from jobs.pipeline import bounds_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from tests.builders import DAY, HOUR, T0, event, job_settings
from training.examples import Examples, make_examples
from training.labels import Label
from training.learned_score import LearnedScore
from udfs.event import PURCHASE, VIEW, Event
from udfs.score_bytes import Scorable
from udfs.scoring import Scorer

PROJECT = """
project: {name: silence, ages: [1h, 1d, 7d]}
features:
  hours_since_event: {since: any, unit: h, default: 2160}
  views_2d: {count: VIEW, half_life: 2d}
  views: {count: VIEW}
scores:
  leaving: {model: classification, label: {absence_of: any, within: 2d}}
  buying: {model: classification, label: {event: PURCHASE, within: 1h}}
  buying_ever: {model: classification, label: {event: PURCHASE, within: 1h, at_ages: true}}
  spending: {model: regression, label: {sum: value, of: PURCHASE, within: 2d, at_ages: true}}
"""
Row = tuple[int, int, float, list[float]]  # hour of the moment, age in hours, label, features


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ScoreEventsSettings:
    folder = tmp_path_factory.mktemp("personalization")
    (folder / "silence.yaml").write_text(PROJECT)
    return job_settings(declarations=folder)


def label_of(settings: ScoreEventsSettings, score: str) -> Label:
    return LearnedScore.of_plan(plan_for(settings).data, score).label


def examples_of(settings: ScoreEventsSettings, score: str, users: dict[str, list[Event]]) -> Examples:
    return make_examples(users, bounds_of(settings), label=label_of(settings, score))


def rows_of(examples: Examples) -> list[Row]:
    return [
        (int(time_ms - T0) // HOUR, int(age_s) // 3_600, float(label), [round(float(each), 4) for each in vector])
        for time_ms, age_s, label, vector in zip(
            examples.times_ms, examples.ages_s, examples.labels, examples.vectors, strict=True
        )
    ]


def busy(hours: int) -> list[Event]:
    """Somebody who comes every half hour: so many examples at events that no silence of others is beyond the sample."""
    return [event(half * HOUR // 2, event_id=f"b{half}") for half in range(2 * hours + 1)]


def of_user(settings: ScoreEventsSettings, score: str, events: list[Event], hours: int = 480) -> list[Row]:
    """The rows of a user, beside a busy one through whom the history is known for so many hours."""
    examples = examples_of(settings, score, {"a": events, "busy": busy(hours)})
    own = examples.user_hashes == examples.user_hashes[0]
    return [row for row, is_own in zip(rows_of(examples), own, strict=True) if is_own]


def test_an_absence_is_looked_at_from_each_age_on(settings: ScoreEventsSettings) -> None:
    assert of_user(settings, "leaving", [event(0), event(2 * DAY)]) == [
        (0, 0, 0.0, [0, 1, 1]),
        (1, 1, 0.0, [1, round(2 ** (-1 / 48), 4), 1]),
        (24, 24, 0.0, [24, round(2**-0.5, 4), 1]),
        (48, 0, 1.0, [0, 1.5, 2]),
        (49, 1, 1.0, [1, round(1.5 * 2 ** (-1 / 48), 4), 2]),
        (72, 24, 1.0, [24, round(1.5 * 2**-0.5, 4), 2]),
        (48 + 168, 168, 1.0, [168, round(1.5 * 2**-3.5, 4), 2]),
    ]


def test_a_silence_before_the_end_whose_future_is_open_is_left_out(settings: ScoreEventsSettings) -> None:
    examples = examples_of(settings, "leaving", {"a": [event(0)], "busy": busy(60)})
    own = [row for row in rows_of(examples)[:4] if row[3][2] == 1 and row[1]]
    assert own == [(1, 1, 1.0, [1, round(2 ** (-1 / 48), 4), 1])]
    # Of the last two days: 96 events of the busy one, and the age of a day that the other one has reached.
    assert examples.left_out.counts["without a known future"] == 96
    assert examples.left_out.counts["silences without a known future"] == 1


def test_other_labels_look_at_ages_where_they_ask_for_it(settings: ScoreEventsSettings) -> None:
    events = [event(0), event(HOUR + HOUR // 2, PURCHASE, value=5.0)]
    assert [row[:3] for row in of_user(settings, "buying", events)] == [(0, 0, 0.0), (1, 0, 0.0)]
    asked = of_user(settings, "buying_ever", events)
    assert [row[:3] for row in asked[:2]] == [(0, 0, 0.0), (1, 1, 1.0)]
    assert [row[1] for row in asked] == [0, 1, 0, 1, 24, 168]
    summed = of_user(settings, "spending", events)
    assert [row[2] for row in summed] == [5.0, 5.0, 0.0, 0.0, 0.0, 0.0]


def test_silent_users_do_not_drown_the_events(settings: ScoreEventsSettings) -> None:
    users = {f"u{number:03}": [event(number * 60_000, event_id="only")] for number in range(300)}
    examples = examples_of(settings, "leaving", {**users, "z": [event(100 * DAY)]})
    at_ages = examples.ages_s > 0
    assert int((~at_ages).sum()) == 300
    assert 230 < int(at_ages.sum()) < 370  # 900 were reached
    assert examples.left_out.counts["silences beyond the sample"] == 900 - int(at_ages.sum())
    again = examples_of(settings, "leaving", {"z": [event(100 * DAY)], **dict(reversed(users.items()))})
    assert np.array_equal(again.times_ms, examples.times_ms) and np.array_equal(again.vectors, examples.vectors)


steps = st.lists(st.tuples(st.integers(0, 200), st.sampled_from([VIEW, PURCHASE])), min_size=1, max_size=8)


@tried(max_examples=25, deadline=None)
@given(steps, steps)
def test_nothing_of_what_comes_later_is_in_an_example(
    settings: ScoreEventsSettings, first: list[tuple[int, int]], then: list[tuple[int, int]]
) -> None:
    """The features at a moment are the same whether the user comes back or not."""

    def told(drawn: list[tuple[int, int]], since_hour: int, name: str) -> list[Event]:
        hours = sorted(since_hour + hour for hour, _ in drawn)
        return [
            event(hour * HOUR, kind, event_id=f"{name}{n}")
            for n, (hour, (_, kind)) in enumerate(zip(hours, drawn, strict=True))
        ]

    begun = told(first, 0, "a")
    later = told(then, int(begun[-1].time_ms - T0) // HOUR + 30, "b")
    short, long = (of_user(settings, "leaving", events, 900) for events in (begun, [*begun, *later]))
    until = int(later[0].time_ms - T0) // HOUR
    assert [(row[0], row[1], row[3]) for row in short if row[0] < until] == [
        (row[0], row[1], row[3]) for row in long if row[0] < until
    ]


class Recorder:
    """A model that keeps what it is given."""

    version = "v1"

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def predict(self, vectors: Sequence[bytes]) -> list[float]:
        self.seen += vectors
        return [0.5] * len(vectors)


@tried(max_examples=25, deadline=None)
@given(steps)
def test_features_at_ages_are_those_that_serving_computes(
    settings: ScoreEventsSettings, drawn: list[tuple[int, int]]
) -> None:
    events = sorted(event(hour * HOUR, kind, event_id=f"e{n}") for n, (hour, kind) in enumerate(drawn))
    plan, bounds, recorder = plan_for(settings), bounds_of(settings).profile, Recorder()
    profile = plan.blank()
    for each in events:
        profile.fold(each, bounds)
    scorer = Scorer(plan, {"leaving": lambda: recorder})
    for age_s in plan.ages_s:
        scorer.score([Scorable("a", profile, len(events), {}, age_s, plan.aged(profile, age_s))], 1, 1)
    served = [np.frombuffer(each, np.float32).tolist() for each in recorder.seen[1::2]]  # beside those of the event
    examples = examples_of(settings, "leaving", {"a": events, "busy": busy(480)})
    own = (examples.user_hashes == examples.user_hashes[0]) & (examples.times_ms >= events[-1].time_ms)
    assert examples.vectors[own & (examples.ages_s > 0)].tolist() == served
