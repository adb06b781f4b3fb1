"""docs/models.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from driftline.estimators import ESTIMATORS

DOC = (Path(__file__).parents[3] / "docs" / "models.md").read_text()


def test_every_estimator_is_named_with_its_task() -> None:
    rows = re.findall(r"^\| (`.*?) \| (classification|regression) \|", DOC, re.MULTILINE)
    named = {task: set[str]() for task in ESTIMATORS}
    for names, task in rows:
        named[task] |= set(re.findall(r"`(\w+)`", names))
    assert named == {task: set(names) for task, names in ESTIMATORS.items()}
