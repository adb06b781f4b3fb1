"""Files of public formats through their mappings and the real stack: every event goes where a second count says.

The samples here are made up; the real files take part where SAMPLE_FILES names the folder that they are in
(docs/mappings/README.md).
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from driftline.units import wall_clock_ms
from tests.e2e import records
from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import ROOT, RealStack, eventually
from tests.sample_counts import ARRIVAL, DISORDER_MS, Counts, Row, Tally, facts_of, in_arrival_order, rows_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

MAPPINGS = ROOT / "docs" / "mappings"
FOLDER = os.environ.get("SAMPLE_FILES")
Sample = tuple[str, list[Path], list[Row]]  # format, files, their rows


def made_up() -> Iterator[Sample]:
    for file in sorted((ROOT / "tests" / "samples").iterdir()):
        if file.suffix != ".md":
            yield file.stem, [file], list(rows_of(file))


def real(scratch: Path) -> Iterator[Sample]:
    """The real files; those of a table that has an order of arrival in that order."""
    for folder in sorted(path for path in Path(str(FOLDER)).iterdir() if path.is_dir()):
        files = sorted(folder.iterdir())
        rows = [row for file in files for row in rows_of(file)]
        if folder.name in ARRIVAL:
            rows = in_arrival_order(folder.name, rows)
            files = [scratch / f"{folder.name}.csv"]
            with files[0].open("w", encoding="utf-8", newline="") as table:
                writer = csv.DictWriter(table, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        yield folder.name, files, rows


def said(number: str, text: str) -> int:
    """The number that publish named, 0 where it did not."""
    found = re.search(number + r"([\d,]+)", text)
    return int(found[1].replace(",", "")) if found else 0


def published(space: Namespace, name: str, files: list[Path], expected: Counts) -> int:
    """Publish a sample; publish leaves out and refuses what it should. Returns how many events it published."""
    good = expected.rows - expected.left_out - expected.refused
    command = ["publish", *map(str, files), "--mapping", str(MAPPINGS / f"{name}.toml"), "--skip-bad"]
    text = space.stack.errors(*command, exit_code=0 if good else 1, env=space.env)
    if not good:
        assert f"nothing in {files[0]} was an event: {expected.refused} are no events" in text
        return 0
    left_out = said("rows left out as the mapping says: ", text)
    refused = said("lines left out because they are no events: ", text)
    assert (said("published ", text), left_out, refused) == (good, expected.left_out, expected.refused), (name, text)
    return good


def on_topic(space: Namespace, kind: str, count: int) -> list[tuple[str, int]]:
    """Users and times of the events that left by a topic: it is written a moment after the counters."""

    def look() -> list[tuple[str, int]]:
        found = records.read(space.stack.settings, space.topic(kind))
        events = [UserEvent.FromString(record.value) for record in found]
        return sorted((event.user_id, event.event_time_ms) for event in events)

    return eventually(look, lambda found: len(found) >= count, f"{count} events on {kind}")


def test_every_event_of_a_sample_goes_where_the_second_count_says(stack: RealStack, tmp_path: Path) -> None:
    space = Namespace(stack, "samples", {"disorder_ms": DISORDER_MS})
    space.submit()
    tally, total, users = Tally(wall_clock_ms()), [0] * len(Counters._fields), set[str]()
    for name, files, rows in chain(made_up(), real(tmp_path) if FOLDER else ()):
        facts = facts_of(name, rows)
        own = {fact.user for fact in facts if fact and fact.user}
        assert not own & users, "a user of two samples"
        users |= own
        expected = tally.count(facts)
        good = published(space, name, files, expected)
        total = [sum(pair) for pair in zip(total, (good, good, *expected[3:]), strict=True)]
    assert space.drain() == Counters(*total)
    assert on_topic(space, "events.late", len(tally.late)) == sorted(tally.late)
    assert on_topic(space, "events.dead-letter", len(tally.dead)) == sorted(tally.dead)
    scores = space.scores()
    assert {user: int(line["acceptedEvents"]) for user, line in scores.items()} == dict(tally.accepted)
