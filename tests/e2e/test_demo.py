"""`driftline demo` on a stack of its own, as a new user runs it: events move scores, and so does silence."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from console.demo.silence import AWAY_DAYS
from tests.e2e.stack import RealStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

SECONDS = 3  # shorter than the first age: the demo then waits until who fell silent is looked at
ROW = re.compile(r"away-(\d+)d-\w+ .* last event \+ (\w+) +([\d.]+) +([\d.]+) *(\w*)$")


class Row(NamedTuple):
    """A line of the summary's table of silent shoppers."""

    days: int
    age: str
    then: float
    now: float
    segment: str


@pytest.fixture
def other(installed: RealStack, model_version: str, tmp_path: Path) -> Iterator[RealStack]:
    """Another stack, which nobody has started; with a model, so that the demo need not train one."""
    made = RealStack(tmp_path / "home")
    shutil.copytree(installed.settings.models_dir, made.settings.models_dir)
    yield made
    assert not made.down()


def test_the_demo_shows_shoppers_who_fall_silent_and_whose_churn_risk_rises(
    other: RealStack, model_version: str
) -> None:
    out = other.driftline("demo", "--seconds", str(SECONDS))
    assert f"model {model_version} is there already" in out
    rows = [_row(found) for line in out.splitlines() if (found := ROW.search(line))]
    assert [row.days for row in rows] == list(AWAY_DAYS)
    assert [row.age for row in rows] == [f"{days}d" if days else "10s" for days in AWAY_DAYS]
    assert len({row.then for row in rows}) == 1  # the same visits
    risen = [row.now for row in rows]
    assert risen == sorted(risen)
    assert risen[-1] > 2 * rows[-1].then
    assert [row.segment for row in rows] == ["lapsed" if days >= 7 else "" for days in AWAY_DAYS]
    assert not other.processes()  # what the demo started, it has stopped


def _row(found: re.Match[str]) -> Row:
    days, age, then, now, segment = found.groups()
    return Row(int(days), age, float(then), float(now), segment)
