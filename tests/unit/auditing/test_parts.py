"""The pure parts of an audit: who is looked at, which records, and what is told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.accounting import Extent
from console.auditing.audit import Audited
from console.auditing.log import split
from console.auditing.metrics import metrics_text, write_metrics
from console.auditing.positions import Positions, Range
from console.auditing.recomputing import with_clocks
from console.auditing.sampling import Sample
from driftline.errors import InputError
from driftline.metrics import AuditMetric
from sink_connectors.score_store import Progress, ShardReport
from udfs.offsets import advance

ROOT = Path(__file__).resolve().parents[3]
KEYS = st.lists(st.binary(min_size=1, max_size=6), max_size=40)


def report(partitions: list[int], offsets: list[int], shards: int = 2) -> ShardReport:
    return ShardReport(Progress(len(offsets)), shards, advance(b"", partitions, offsets))


@given(st.data(), KEYS, st.integers(1, 10), st.integers(0, 3))
def test_a_sample_does_not_depend_on_the_order_or_on_repeats(
    data: st.DataObject, keys: list[bytes], users: int, seed: int
) -> None:
    one, other = Sample(users, None, seed), Sample(users, None, seed)
    one.take(keys)
    again = data.draw(st.permutations([*keys, *keys]))
    for key in again:
        other.take([key])
    assert one.chosen == other.chosen
    assert len(one.chosen) == min(users, len(set(keys)))


@given(KEYS, KEYS, st.floats(0, 1))
def test_a_share_chooses_each_user_by_itself(keys: list[bytes], others: list[bytes], share: float) -> None:
    alone, together = Sample(None, share, 1), Sample(None, share, 1)
    alone.take(keys)
    together.take([*others, *keys])
    assert alone.chosen <= together.chosen
    assert together.chosen - set(others) <= alone.chosen


def test_another_seed_chooses_others_and_a_share_is_about_that() -> None:
    keys = [b"u%d" % number for number in range(10_000)]
    chosen = []
    for seed in (1, 2):
        sample = Sample(None, 0.1, seed)
        sample.take(keys)
        chosen.append(sample.chosen)
    assert chosen[0] != chosen[1]
    assert all(900 < len(one) < 1_100 for one in chosen)


def test_positions_say_which_records_were_processed() -> None:
    reports = {250: report([0, 0, 1], [3, 9, 5]), 13: report([0], [7])}
    found = Positions.of(reports, {0: [(4, 6)]}, "main")
    assert found.ranges() == [Range(0, 3, 10), Range(1, 5, 6)]
    assert found.ranges({0: 8, 1: 6}) == [Range(0, 8, 10)]
    offsets = np.arange(12)
    assert offsets[found.processed(250, 0, offsets, 0)].tolist() == [3, 6, 7, 8, 9]
    assert offsets[found.processed(250, 0, offsets, 8)].tolist() == [8, 9]
    assert offsets[found.processed(13, 0, offsets, 0)].tolist() == [7]
    assert offsets[found.processed(13, 1, offsets, 0)].tolist() == []
    assert (found.next_of(250, 0), found.next_of(13, 1)) == (10, 0)


def test_a_job_that_did_not_tell_its_offsets_cannot_be_audited() -> None:
    with pytest.raises(InputError, match="of a release that did not tell how far it has read"):
        Positions.of({250: ShardReport(Progress(1))}, {}, "main")


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(1, 20)), max_size=4, unique_by=lambda x: x[0]
    ),
    st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 20), st.integers(1, 20))),
)
def test_ranges_are_split_without_a_gap_or_a_double(
    wanted: list[tuple[int, int, int]], held: dict[int, tuple[int, int]]
) -> None:
    ranges = [Range(partition, begin, begin + size) for partition, begin, size in wanted]
    extents = {partition: Extent(begin, begin + size) for partition, (begin, size) in held.items()}
    before, within, behind = split(ranges, extents)
    parts = [*before, *within.values(), *behind]
    found = sorted((one.partition, offset) for one in parts for offset in range(one.begin, one.end))
    assert found == sorted((one.partition, offset) for one in ranges for offset in range(one.begin, one.end))
    for part in within.values():
        assert extents[part.partition].begin <= part.begin < part.end <= extents[part.partition].end


@given(st.lists(st.tuples(st.booleans(), st.integers(-1, 30)), min_size=1, max_size=40))
def test_the_clock_at_each_of_ones_own_records_is_that_of_all_records(rows: list[tuple[bool, int]]) -> None:
    mine, times = np.array([one for one, _ in rows]), np.array([time_ms for _, time_ms in rows])
    kept = with_clocks(mine, times)
    assert set(np.flatnonzero(mine)) <= set(kept.tolist())
    clocks = dict(zip(kept.tolist(), np.maximum.accumulate(times[kept]).tolist(), strict=True))
    everywhere = np.maximum.accumulate(times)
    assert all(clocks[at] == everywhere[at] for at in np.flatnonzero(mine).tolist())
    assert max(clocks.values()) == everywhere[-1]


def test_metrics_are_a_file_that_a_collector_reads(tmp_path: Path) -> None:
    found = Audited(forgotten=1, moving=2)
    found.found.equal, found.found.different = 7, 2
    found.found.features["weekly"].add(1.0, 2.0, 0.0)
    text = metrics_text(found, "main", ended_s=1_767_225_600.5, took_s=2.25)
    assert 'driftline_audit_differing_ratio{namespace="main"} 0.2\n' in text
    assert 'driftline_audit_not_compared_users{namespace="main",reason="moving"} 2\n' in text
    assert 'driftline_audit_differing_feature_users{namespace="main",feature="weekly"} 1\n' in text
    assert 'driftline_audit_last_run_timestamp_seconds{namespace="main"} 1767225600.5\n' in text
    for line in text.splitlines():
        assert line.startswith("# ") or re.fullmatch(r'[a-z_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} [0-9.e+]+', line)
    write_metrics(tmp_path / "audit.prom", text)
    assert (tmp_path / "audit.prom").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["audit.prom"]
    with pytest.raises(InputError, match="--metrics-file"):
        write_metrics(tmp_path / "none" / "audit.prom", text)


def test_the_document_lists_every_metric() -> None:
    rows = [line for line in (ROOT / "docs" / "metrics.md").read_text().splitlines() if "`driftline_audit_" in line]
    for metric, row in zip(AuditMetric, rows, strict=True):
        about = metric.value
        labels = ", ".join(f"`{label}`" for label in about.labels)
        assert row == f"| `{about.name}` | {about.kind} | {about.unit} | {labels} | {about.help} | {about.next_move} |"
