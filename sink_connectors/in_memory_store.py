"""A ScoreStore in a dictionary: for tests and benchmarks, which the contract suite holds to what Redis does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sink_connectors.redis_memory import RedisMemory
from sink_connectors.score_store import Claim, Progress, Recorded, ShardReport, Written, do_nothing
from sink_connectors.score_value import (
    DEFAULT_NAMESPACE,
    GENERATION_BYTES,
    StoredScores,
    check_namespace,
    decode_value,
    is_newer,
)
from sink_connectors.segment_lists import SegmentWrite, decode_row


class InMemoryScoreStore:
    """A ScoreStore of one process, without time to live."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._shards = 0
        self._generations: dict[int, int] = {}
        self._job_ids: list[str] = []
        self._reports: dict[int, ShardReport] = {}
        self._skipped: dict[int, set[tuple[int, int]]] = {}
        self._segments: dict[str, str] = {}
        self._epoch = 0
        self._lists: dict[tuple[str, int], dict[str, int]] = {}  # members and since when, by segment and shard
        self._live = DEFAULT_NAMESPACE
        self._previous = ""

    def write(
        self,
        values: Sequence[tuple[str, bytes]],
        progress: tuple[int, ShardReport] | None,
        meanwhile: Callable[[], object] = do_nothing,
        members: SegmentWrite | None = None,
    ) -> Written:
        """See ScoreStore."""
        accepted = outranked = 0
        if members is not None and not members.segments:
            members = None
        for number, (user_id, value) in enumerate(values):
            stored = self._values.get(user_id, b"")
            if is_newer(value, stored):
                self._values[user_id] = value
                if members is not None:
                    self._list_member(user_id, members, decode_row(members.rows[number]))
                accepted += 1
            elif value[:GENERATION_BYTES] < stored[:GENERATION_BYTES]:
                outranked += 1
        if progress:
            shard, report = progress
            before = self._reports.get(shard, report).unknown_types
            self._reports[shard] = report._replace(unknown_types=report.unknown_types or before)
        meanwhile()
        return Written(accepted, outranked)

    def read(self, user_ids: Sequence[str]) -> list[StoredScores | None]:
        """See ScoreStore."""
        return [decode_value(self._values[user_id]) if user_id in self._values else None for user_id in user_ids]

    def user_ids(self) -> Iterator[str]:
        """See ScoreStore."""
        return iter(list(self._values))

    def scan(self) -> Iterator[tuple[str, StoredScores]]:
        """See ScoreStore."""
        return ((user_id, decode_value(value)) for user_id, value in list(self._values.items()))

    def read_progress(self) -> dict[int, Progress]:
        """See ScoreStore."""
        return {shard: report.totals for shard, report in self._reports.items()}

    def read_reports(self) -> dict[int, ShardReport]:
        """See ScoreStore."""
        return dict(self._reports)

    def forget_skipped(self) -> None:
        """See ScoreStore."""
        self._skipped.clear()

    def note_skipped(self, skipped: Mapping[int, tuple[int, int]]) -> None:
        """See ScoreStore."""
        for partition, span in skipped.items():
            self._skipped.setdefault(partition, set()).add(span)

    def read_skipped(self) -> dict[int, list[tuple[int, int]]]:
        """See ScoreStore."""
        return {partition: list(spans) for partition, spans in self._skipped.items()}

    def claim(self, claim: Claim) -> Recorded | None:
        """See ScoreStore."""
        other_shards = self._shards not in (0, claim.shards)
        if other_shards and claim.unproven:
            return self.recorded()._replace(job_ids=())
        latest = self.recorded().generation if other_shards else 0
        for shard, generation in claim.generations.items():
            known = latest if other_shards else self._generations.get(shard, 0)
            if generation < known:
                return Recorded(known, self._shards)
        if self._shards != claim.shards:
            self._generations.clear()
            self._reports.clear()
            self._skipped.clear()
            self._lists.clear()
        self._shards = claim.shards
        self._generations |= claim.generations
        self._reports |= {shard: claim.report(shard) for shard in claim.generations}
        if self._job_ids[:1] != [claim.job_id]:
            self._job_ids.insert(0, claim.job_id)
        return None

    def recorded(self) -> Recorded:
        """See ScoreStore."""
        return Recorded(max(self._generations.values(), default=0), self._shards, tuple(self._job_ids))

    def declare_segments(self, definitions: Mapping[str, str]) -> int:
        """See ScoreStore."""
        self._epoch += definitions.keys() != self._segments.keys()
        self._segments = dict(sorted(definitions.items()))
        self._lists = {key: listed for key, listed in self._lists.items() if key[0] in self._segments}
        return self._epoch

    def segments(self) -> dict[str, str]:
        """See ScoreStore."""
        return dict(self._segments)

    def segment_members(self, segment: str) -> Iterator[tuple[str, int]]:
        """See ScoreStore."""
        lists = [listed for (name, _), listed in sorted(self._lists.items()) if name == segment]
        return iter([member for listed in lists for member in listed.items()])

    def live_namespace(self) -> str:
        """See ScoreStore."""
        return self._live

    def promote(self, namespace: str) -> None:
        """See ScoreStore."""
        check_namespace(namespace)
        if namespace != self._live:
            self._live, self._previous = namespace, self._live

    def previous_namespace(self) -> str:
        """See ScoreStore."""
        return self._previous

    def _list_member(self, user_id: str, members: SegmentWrite, since_ms: list[int]) -> None:
        for segment, ms in zip(members.segments, since_ms, strict=True):
            listed = self._lists.setdefault((segment, members.shard), {})
            if ms < 0:
                listed.pop(user_id, None)
            else:
                listed[user_id] = ms

    def memory(self) -> RedisMemory | None:
        """See ScoreStore."""
        return None
