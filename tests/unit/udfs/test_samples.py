"""Sample files through the fold: the outcomes of their events are those of an independent count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from driftline.mapping.spec import Mapping
from driftline.metrics import JobMetric
from driftline.state.v1.state_pb2 import ShardState
from history.reading import EventReader, keyed
from tests.builders import States, block, fold_block, processor, timelines
from tests.sample_counts import Tally, facts_of, rows_of
from tests.unit.test_mapping import MAPPINGS, read_all, samples

NOW = 1_800_000_000_000  # after all of them
METRICS = {
    "accepted": JobMetric.EVENTS_ACCEPTED,
    "duplicate": JobMetric.EVENTS_DUPLICATE,
    "late": JobMetric.EVENTS_LATE,
    "dead_letter": JobMetric.EVENTS_DEAD_LETTER,
}


@pytest.mark.parametrize(("name", "file"), samples())
@pytest.mark.parametrize("blocks_of", [1, 250])
def test_a_sample_folds_as_a_second_count_says(name: str, file: Path, blocks_of: int) -> None:
    tally = Tally(NOW)
    expected = tally.count(facts_of(name, rows_of(file)))
    mapping = Mapping.load(MAPPINGS / f"{name}.toml")
    events = read_all(EventReader([file], mapping=mapping, check=keyed, skip_bad=True))
    fold, shard, users = processor(), ShardState(), timelines(States(), cached_max=10_000)
    found: Counter[JobMetric] = Counter()
    for start in range(0, len(events), blocks_of):
        found.update(fold_block(fold, block(*events[start : start + blocks_of]), shard, users, NOW).counts)
    assert {word: found[metric] for word, metric in METRICS.items()} == {
        word: getattr(expected, word) for word in METRICS
    }
    accepted = {user: timeline.accepted for user in {e.user_id for e in events} if (timeline := users.peek(user))}
    assert {user: count for user, count in accepted.items() if count} == dict(tally.accepted)
