"""The generators of examples/: the same seed gives the same history, in the order of time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import generating
from examples.generating import DAY_MS, DAYS_MAX, START_MS, USERS_MAX, history, visits
from tests.example_projects import EXAMPLES, ROOT, Example

examples = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)


@examples
def test_a_user_s_events_do_not_depend_on_the_others(example: Example) -> None:
    few, more = (history(example.life, "u", users, 20, seed=4) for users in (3, 5))
    assert few == [line for line in more if json.loads(line)["userId"] in {"u-0", "u-1", "u-2"}]
    assert few != history(example.life, "u", 3, 20, seed=5)


@examples
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_ids_are_used_once_and_times_are_in_the_history(example: Example, seed: int) -> None:
    told = [(time_ms, event) for time_ms, event in example.life(Random(seed), "u", 30)]
    ids = [event.get("eventId") or event["messageId"] for _, event in told]
    assert len(set(ids)) == len(ids)
    assert all(START_MS <= time_ms < START_MS + 33 * DAY_MS for time_ms, _ in told)


@given(
    seed=st.integers(0, 10_000),
    days=st.integers(1, 100),
    pause_days=st.floats(1, 30),
    hour=st.floats(0, 24),
    first_day=st.floats(0, 50),
)
def test_visits_are_on_different_days(seed: int, days: int, pause_days: float, hour: float, first_day: float) -> None:
    came = [(time_ms - START_MS) // DAY_MS for time_ms in visits(Random(seed), days, pause_days, hour, first_day)]
    assert came == sorted(set(came))
    assert all(int(first_day) <= day < days for day in came)


@pytest.mark.parametrize(("users", "days"), [(0, 1), (1, 0), (USERS_MAX + 1, 1), (1, DAYS_MAX + 1)])
def test_histories_are_bounded(users: int, days: int) -> None:
    with pytest.raises(ValueError, match="at most 20,000 users and 730 days"):
        history(EXAMPLES[0].life, "u", users, days, 1)


@examples
def test_the_command_of_the_readme_prints_events(example: Example) -> None:
    readme = (example.folder.parent / "README.md").read_text()
    module = f"examples.{example.name}.generate"
    assert f"python -m {module} " in readme
    command = [sys.executable, "-m", module, "--users", "2", "--days", "10"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines and all(json.loads(line)["userId"] for line in lines)
    refused = subprocess.run([*command, "--days", "0"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "730 days" in refused.stderr


@examples
def test_the_readme_names_scores_and_segments_that_there_are(example: Example) -> None:
    readme, plan = (example.folder.parent / "README.md").read_text(), example.plan()
    scores = {score["name"] for score in plan.data["scores"] if "model" in score}
    assert all(f"driftline train {score} " in readme for score in scores)
    named = {line.split()[-1] for line in readme.splitlines() if line.startswith("driftline segments show")}
    assert named <= {segment.name for segment in plan.segments}
    assert all(Path(example.folder, name).exists() for name in ("events.yaml", "features.yaml", "scores.yaml"))


@examples
def test_some_users_leave_and_the_others_stay_what_they_were(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    def times_of(share: float) -> dict[str, list[str]]:
        monkeypatch.setattr(generating, "LEAVING_SHARE", share)
        told: dict[str, list[str]] = {}
        for line in history(example.life, "u", 60, 60, seed=4):
            told.setdefault(json.loads(line)["userId"], []).append(line)
        return told

    stayed, some, all_left = times_of(0.0), times_of(0.3), times_of(1.0)
    assert stayed.keys() == some.keys() == all_left.keys()
    left = [user for user, lines in some.items() if lines != stayed[user]]
    assert 5 <= len(left) <= 30
    assert all(lines == stayed[user][: len(lines)] for user, lines in some.items())
    assert sum(map(len, all_left.values())) < 0.7 * sum(map(len, stayed.values()))
