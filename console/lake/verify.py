"""Verifies a lake: reads it through, asks Kafka about what is missing, and says what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Final

from console.settings import StackSettings
from driftline.errors import InputError
from driftline.units import MINUTE_MS, wall_clock_ms
from history.lake.checking import Check, check, keep_no_records, read_no_records
from history.lake.coverage import Coverage, OffsetSet
from history.lake.location import Location
from history.lake.verifying import Held, Kind, PartitionReport, missing_of, no_records_of, report_of

Report = Callable[[str], object]
_ARCHIVED_MS: Final = MINUTE_MS  # a lake whose newest file is younger is being written
_SETTLED_S: Final = 5.0  # what a checkpoint has made visible in part is there by then


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is wrong with a lake.

    Attributes:
        files, rows: how many were read.
        damaged: why a file cannot be read, by its path.
        partitions: each of them.
        asked_kafka: whether Kafka was asked.
    """

    files: int
    rows: int
    damaged: dict[str, str]
    partitions: tuple[PartitionReport, ...]
    asked_kafka: bool

    @property
    def good(self) -> bool:
        """Whether nothing is lost or contradicts itself."""
        return not self.damaged and all(one.good for one in self.partitions)

    def as_document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"good": self.good, **asdict(self)}


def verify(
    location: Location, settings: StackSettings, topic: str, *, kafka: bool, deep: bool, report: Report
) -> Verdict:
    """Verify a topic's lake.

    Args:
        location: its folder.
        settings: where Kafka is.
        topic: its name there.
        kafka: ask Kafka about what is missing.
        deep: read every column.
        report: is told how far it is.

    Raises:
        InputError: there is no lake, or one that was imported is to be compared with a topic.
        ServiceUnavailable: Kafka does not answer.
    """
    found = settled(location, deep=deep, report=report)
    known = read_no_records(location)
    held: dict[int, Held] = {}
    if kafka:
        if not found.archived and not found.damaged:
            message = f"the lake in {location.path} was imported from files: there is no topic to compare it with"
            raise InputError(message)
        held = _held(settings, topic, found, report)
        known = _remember(location, found, known, held)
    numbers = sorted({*found.coverages, *held})
    empty = OffsetSet()
    return Verdict(
        files=found.files,
        rows=found.rows,
        damaged=found.damaged,
        partitions=tuple(
            report_of(
                number,
                found.coverages.get(number, Coverage()),
                found.differing.get(number, empty),
                known.get(number, empty),
                held.get(number),
            )
            for number in numbers
        ),
        asked_kafka=kafka,
    )


def settled(
    location: Location,
    *,
    deep: bool,
    report: Report,
    now_ms: Callable[[], int] = wall_clock_ms,
    wait: Callable[[float], object] = time.sleep,
) -> Check:
    """Read a lake through; where that finds gaps while files are being archived, once more, as far as it went.

    A job makes the files of a checkpoint visible one by one, so that a later offset may be there before an earlier one.
    """
    found = check(location, deep=deep, report=lambda at, of: report(f"file {at:,} of {of:,}"))
    if not found.has_gaps or found.newest_ms < now_ms() - _ARCHIVED_MS:
        return found
    report("waiting for files that are being archived")
    wait(_SETTLED_S)
    again = check(location, deep=deep, report=lambda at, of: report(f"file {at:,} of {of:,}, once more"))
    return again.as_far_as(found)


def _held(settings: StackSettings, topic: str, found: Check, report: Report) -> dict[int, Held]:
    from console.extents import connect_consumer, extents_of, partitions_of
    from console.lake.topic_gaps import held_by

    with closing(connect_consumer(settings)) as consumer:
        extents = extents_of(consumer, partitions_of(consumer, topic))
        return held_by(consumer, topic, extents, found.coverages, report)


def _remember(
    location: Location, found: Check, known: dict[int, OffsetSet], held: dict[int, Held]
) -> dict[int, OffsetSet]:
    """Keep in the lake which offsets are no records, for when Kafka has deleted what tells."""
    kept = dict(known)
    for number, one in held.items():
        before = known.get(number, OffsetSet())
        missing = missing_of(found.coverages.get(number, Coverage()), one)
        kept[number] = no_records_of(missing, before, one)
    changed = {number: list(one.spans()) for number, one in kept.items()} != {
        number: list(one.spans()) for number, one in known.items()
    }
    if changed:
        keep_no_records(location, kept)
    return kept


def sentences(verdict: Verdict) -> Iterator[str]:
    """Say what is wrong, and what is missing for a reason; most serious first."""
    for path, why in sorted(verdict.damaged.items()):
        yield f"cannot be read: {path}: {why}"
    for one in verdict.partitions:
        where = f"partition {one.partition}"
        yield from _said(where, one.lost, "not in the lake, but on the topic")
        yield from _said(where, one.unknown, f"missing{_why_unknown(verdict)}")
        yield from _said(where, one.differing, "there more than once, and not the same")
        yield from _said(where, one.same, "there more than once, the same each time: readers take one")
    for one in verdict.partitions:
        where = f"partition {one.partition}"
        yield from _said(where, one.no_records, "no records: markers of transactions, aborted, or compacted away")
        if one.deleted:
            yield f"{where}: the topic has deleted the first {one.deleted:,} offsets, before the lake begins"
        if one.pending:
            yield f"{where}: {one.pending:,} offsets behind the lake's end are not archived yet"


def _why_unknown(verdict: Verdict) -> str:
    if verdict.asked_kafka:
        return ", and deleted from the topic: records or not, nobody knows"
    return ": --kafka tells whether they were records"


def _said(where: str, kind: Kind, what: str) -> Iterator[str]:
    if kind.count:
        shown = ", ".join(_range(span.begin, span.end) for span in kind.spans)
        more = f" and {kind.more:,} more ranges" if kind.more else ""
        yield f"{where}: {kind.count:,} {what} ({shown}{more})"


def _range(begin: int, end: int) -> str:
    return f"{begin:,}" if end == begin + 1 else f"{begin:,}-{end - 1:,}"
