"""One audit: chooses users, computes them again from their records, and compares them with what Redis serves.

A value is compared when it and what was computed again are of the same events: as many are accepted. The offsets of the
shards are read first, then the records before them, then the values; a user whose value has moved on by then is looked
at again, with the offsets of a later moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol, TypeVar

from console.auditing.log import RecordLog
from console.auditing.positions import Positions, Range
from console.auditing.recomputing import Recomputing
from console.auditing.rescoring import Rescoring, Settled
from console.auditing.sampling import Sample
from console.comparing import Comparing, Comparison
from driftline.catalogue_message import Catalogue, catalogue_of
from driftline.errors import InputError
from driftline.limits import ID_BYTES_MAX
from driftline.score_message import age_of
from driftline.units import wall_clock_ms
from history.lake.reading import Lake
from jobs.bundle import Bound
from jobs.settings import ScoreEventsSettings
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_store import ShardReport
from sink_connectors.score_value import StoredScores, encode_value
from udfs.profile import LAST_MS

ROUNDS_MAX: Final = 6
SERVED, RECOMPUTED = "served", "recomputed"  # the two sides
PAUSE_S: Final = 1.0  # before values that have moved are looked at again
_PAGE: Final = 1_000

T = TypeVar("T")


class Served(Protocol):
    """What is served of the namespace: the part of a score store that an audit reads."""

    def read(self, user_ids: Sequence[str]) -> list[StoredScores | None]:
        """See ScoreStore."""

    def user_ids(self) -> Iterator[str]:
        """See ScoreStore."""

    def read_reports(self) -> dict[int, ShardReport]:
        """See ScoreStore."""

    def read_skipped(self) -> dict[int, list[tuple[int, int]]]:
        """See ScoreStore."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for.

    Attributes:
        namespace: whose values.
        users: how many at most; None: no bound.
        share: of all users; None: all.
        seed: another one chooses other users.
        named: these alone; empty: a sample.
        tolerance: by how much numbers may differ and count as equal.
        limit: how many differing users are listed.
    """

    namespace: str
    users: int | None = None
    share: float | None = None
    seed: int = 0
    named: Sequence[str] = ()
    tolerance: float = 0.0
    limit: int = 10


@dataclass
class Audited:
    """What an audit has found.

    Attributes:
        found: the comparison of those who could be compared; `first` is what is served.
        forgotten: compared, too: users without scores on both sides, because they were forgotten.
        aged: compared as of their newest event; they are served as of an age.
        expired: not compared: their values have expired.
        moving: not compared: their values moved on while they were read, again and again.
        behind: not compared: the records that made their values are in neither lake nor topic.
        one_sided: of the differing users, those of whom one side alone has scores, `limit` at most: with which side.
        records: offsets that were read.
        remarks: what else there is to say, a line each.
    """

    found: Comparison = field(default_factory=Comparison)
    forgotten: int = 0
    aged: int = 0
    expired: int = 0
    moving: int = 0
    behind: int = 0
    one_sided: list[tuple[str, str]] = field(default_factory=list)
    records: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def differing(self) -> int:
        """How many of the compared users differ, those included whom only one side has."""
        return self.found.different + self.found.only_first + self.found.only_second

    @property
    def compared(self) -> int:
        """How many users were compared."""
        return self.differing + self.found.equal + self.forgotten

    @property
    def not_compared(self) -> int:
        """How many were not, for whatever reason."""
        return self.expired + self.moving + self.behind

    @property
    def share(self) -> float:
        """Of the compared users, how many differ."""
        return self.differing / self.compared if self.compared else 0.0


class Auditing:
    """An audit; `run` once.

    Args:
        wanted: what is asked for.
        settings: of the job.
        bound: its declarations and mapping.
        served: the namespace's values.
        catalogue: what the job tells of its features.
        log: the records.
        report: told how many offsets have been read of how many.
        stop: set to end it early; what was compared by then counts.
        now_ms: the wall clock.
    """

    def __init__(  # noqa: PLR0917  (what an audit is of)
        self,
        wanted: Wanted,
        settings: ScoreEventsSettings,
        bound: Bound,
        served: Served,
        catalogue: Catalogue,
        log: RecordLog,
        *,
        report: Callable[[int, int], object] = lambda *_: None,
        stop: threading.Event | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._wanted = wanted
        self._settings = settings
        self._bound = bound
        self._served = served
        self._catalogue = catalogue
        self._log = log
        self._report = report
        self._stop = stop or threading.Event()
        self._now_ms = now_ms
        self._result = Audited()
        self._rescoring = Rescoring(settings, bound)
        self._ours, self._theirs = InMemoryScoreStore(), InMemoryScoreStore()
        self._done: dict[int, int] = {}  # by partition: all before has been read

    def run(self) -> Audited:
        """Do it.

        Raises:
            InputError: no job has written the namespace, or the records of its beginning are gone.
            ServiceUnavailable: Redis, or Kafka while it is read, does not answer.
        """
        positions = self._positions()
        settings = self._settings.model_copy(update={"shards": positions.shards})
        keys = self._choose()
        recomputing = Recomputing(settings, self._bound, keys)
        self._read(recomputing, positions)
        self._require_beginning(positions)
        self._settle(recomputing, positions, sorted(key.decode() for key in keys))
        self._compare()
        return self._result

    def _positions(self) -> Positions:
        return Positions.of(self._served.read_reports(), self._served.read_skipped(), self._wanted.namespace)

    def _choose(self) -> frozenset[bytes]:
        wanted = self._wanted
        if wanted.named:
            return frozenset(user.encode() for user in wanted.named)
        sample = Sample(wanted.users, wanted.share, wanted.seed)
        for page in _pages(self._served.user_ids()):
            sample.take([user.encode() for user in page])
        if self._log.lake is not None:
            sample.take(_keys_of(self._log.lake))
        return sample.chosen

    def _read(self, recomputing: Recomputing, positions: Positions) -> None:
        """Fold what the job has processed since what was folded before."""
        ranges = positions.ranges(self._done)
        total, now_ms = self._result.records + self._log.offsets(ranges), self._now_ms()
        for chunk in self._log.read(ranges):
            recomputing.read(chunk.partition, chunk.table, positions, chunk.watermark_ms, now_ms)
            self._result.records += chunk.table.num_rows
            self._report(self._result.records, total)
        for one in ranges:
            # Shards are not equally far: the next round reads from where the last of them is.
            nexts = [spans[one.partition].next for spans in positions.spans.values() if one.partition in spans]
            self._done[one.partition] = min(nexts)

    def _require_beginning(self, positions: Positions) -> None:
        """Raise InputError where the first records that the job has processed are gone: nobody's past is whole then."""
        begins = {one.partition: one.begin for one in positions.ranges()}
        for gone in self._log.missing:
            if gone.begin <= begins.get(gone.partition, 0):
                why = f"; {self._log.problem}" if self._log.problem else ""
                message = (
                    f"offsets {gone.begin:,} to {gone.end - 1:,} of partition {gone.partition}, which the job of "
                    f"namespace {self._wanted.namespace} has processed, are neither in the lake nor in the topic: "
                    f"nobody can be computed again without the beginning{why}"
                )
                raise InputError(message)

    def _settle(self, recomputing: Recomputing, positions: Positions, user_ids: Sequence[str]) -> None:
        """Take each user's pair when its value and the timeline are of the same events."""
        waiting = list(user_ids)
        seen: dict[str, tuple[int, int]] = {}
        for number in range(ROUNDS_MAX):
            if number:
                if self._stop.wait(PAUSE_S):
                    break
                positions = self._positions()
                self._read(recomputing, positions)
            before, seen = seen, {}
            settled: list[Settled] = []
            for user_id, stored in self._values(waiting):
                timeline = recomputing.timeline(user_id)
                have, has = (0 if timeline is None else timeline.accepted), (stored.accepted_events if stored else 0)
                if timeline is not None and stored is not None and have == has:
                    settled.append(Settled(user_id, stored, timeline))
                elif have or has:
                    seen[user_id] = have, has
            self._take(settled)
            waiting = list(seen)
            if not waiting or all(seen[user_id] == before.get(user_id) for user_id in waiting):
                break
        self._take_unsettled(recomputing, waiting, seen, before)

    def _take_unsettled(
        self,
        recomputing: Recomputing,
        waiting: Sequence[str],
        seen: dict[str, tuple[int, int]],
        before: dict[str, tuple[int, int]],
    ) -> None:
        """Say what is the matter with users whose value is of other events than those that were read."""
        is_whole = not self._log.missing
        settled: list[Settled] = []
        for user_id, stored in self._values(waiting):
            timeline = recomputing.timeline(user_id)
            have, has = seen[user_id]
            if has > have and not is_whole:
                self._result.behind += 1
            elif seen[user_id] != before.get(user_id) and has > have:
                self._result.moving += 1
            elif stored is None:
                self._take_missing(user_id, recomputing)
            elif timeline is None:
                self._put(self._ours, user_id, stored)
                self._note_one_sided(user_id, SERVED)
            else:
                settled.append(Settled(user_id, stored, timeline))
        self._take(settled)

    def _take_missing(self, user_id: str, recomputing: Recomputing) -> None:
        """Take a user without a value: it has expired, or it is missing."""
        timeline = recomputing.timeline(user_id)
        if timeline is None or timeline.profile().empty:
            return
        if self._now_ms() - int(timeline.profile().values[LAST_MS]) > self._settings.user_ttl_ms:
            self._result.expired += 1
            return
        stored = StoredScores(1, timeline.accepted, b"")
        (pair,) = self._rescoring.pairs([Settled(user_id, stored, timeline)], self._now_ms())
        self._put(self._theirs, user_id, pair.recomputed)
        self._note_one_sided(user_id, RECOMPUTED)

    def _take(self, settled: Sequence[Settled]) -> None:
        for page in _pages(iter(settled)):
            for pair in self._rescoring.pairs(page, self._now_ms()):
                self._put(self._ours, pair.user_id, pair.served)
                self._put(self._theirs, pair.user_id, pair.recomputed)
                erased = pair.served.is_tombstone, pair.recomputed.is_tombstone
                self._result.forgotten += all(erased)
                if any(erased) and not all(erased):
                    self._note_one_sided(pair.user_id, RECOMPUTED if erased[0] else SERVED)
            self._result.aged += sum(age_of(user.stored.scores) > 0 for user in page)

    def _note_one_sided(self, user_id: str, side: str) -> None:
        if len(self._result.one_sided) < self._wanted.limit:
            self._result.one_sided.append((user_id, side))

    def _put(self, store: InMemoryScoreStore, user_id: str, value: StoredScores) -> None:
        store.write([(user_id, encode_value(value.generation, value.accepted_events, value.scores))], None)

    def _values(self, user_ids: Sequence[str]) -> Iterator[tuple[str, StoredScores | None]]:
        for page in _pages(iter(user_ids)):
            yield from zip(page, self._served.read(page), strict=True)

    def _compare(self) -> None:
        wanted, plan = self._wanted, self._bound.plan
        ours = Catalogue.parse(catalogue_of(plan.data, {}))
        comparing = Comparing(
            tolerance=wanted.tolerance,
            features=True,
            limit=wanted.limit,
            catalogues=(self._catalogue, ours),
            seen=lambda _: None,
        )
        self._result.found = comparing.run(self._ours, self._theirs)
        self._result.remarks += [*self._remarks(ours)]

    def _remarks(self, ours: Catalogue) -> Iterable[str]:
        theirs = self._catalogue.sets[0] if self._catalogue.sets else None
        if theirs is not None and theirs.features.hash != ours.sets[0].features.hash:
            hashes = {one.name: one.hash for one in ours.sets[0].features.features}
            changed = [one.name for one in theirs.features.features if one.hash and hashes.get(one.name) != one.hash]
            named = f": {', '.join(changed)}" if changed else ""
            yield f"the declarations here are not those of the job (--set declarations=FOLDER){named}"
        if theirs is not None:
            pairs = zip(theirs.features.features, theirs.complete_since_ms, strict=True)
            late = [one.name for one, since_ms in pairs if since_ms]
            if late:
                yield f"came after the job had begun, and differ for who was there before: {', '.join(late)}"
        if self._log.missing:
            number = self._log.offsets(self._log.missing)
            why = f" ({self._log.problem})" if self._log.problem else ""
            yield f"{number:,} offsets that the job has processed are neither in the lake nor in the topic{why}"
        for why, users in sorted(self._rescoring.unknown_models.items()):
            yield f"{users:,} users were compared without the score of a model that cannot be used: {why}"


def _keys_of(lake: Lake) -> Iterator[bytes]:
    """Yield the keys that may be users' ids; some of them again."""
    for batch in lake.scan(["key"]):
        yield from filter(_is_id, batch.column("key").unique().to_pylist())


def _is_id(key: bytes | None) -> bool:
    if not key or len(key) > ID_BYTES_MAX:
        return False
    with suppress(UnicodeDecodeError):
        key.decode()
        return True
    return False


def _pages(found: Iterator[T]) -> Iterator[list[T]]:
    while page := list(islice(found, _PAGE)):
        yield page


__all__ = ["Audited", "Auditing", "Range", "Wanted"]
