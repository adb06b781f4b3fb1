"""README.md copies the folders that a job needs on a cluster: those that `driftline submit` ships, and they suffice."""

from __future__ import annotations

import re
from pathlib import Path

from console.flink_client import PACKAGES
from jobs.code_version import operator_sources
from jobs.register import JOBS

REPOSITORY = Path(__file__).parents[3]


def test_the_readme_copies_what_is_shipped() -> None:
    (copied,) = re.findall(r"^cp -rL (.+) build/job/$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    assert set(copied.split()) == set(PACKAGES)


def test_a_job_and_all_that_it_imports_is_shipped() -> None:
    for spec in JOBS.values():
        imported = {file.relative_to(REPOSITORY).parts[0] for file in operator_sources(spec.module, REPOSITORY)}
        assert {"jobs"} <= imported <= set(PACKAGES)
