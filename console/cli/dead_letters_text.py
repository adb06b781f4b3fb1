"""Dead letters as text: printable, and without payloads unless one is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from rich.table import Table
from rich.text import Text

from console.dead_letters.records import DeadLetter, short_key
from console.dead_letters.replay import Report
from console.dead_letters.statistics import KEYS_SHOWN, Statistics
from driftline.event.v1.event_pb2 import UserEvent
from driftline.units import SECOND_MS
from driftline.values.framing import FRAMING_BYTES, unframed, without_indexes

_SHOWN_MAX = 64 * 1024  # of a payload
_PLAIN = frozenset("\n")


def moment(time_ms: int) -> str:
    """A time in UTC; the number itself where there is no such date."""
    try:
        time = datetime.fromtimestamp(time_ms // SECOND_MS, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time_ms % SECOND_MS:03}Z"


def line(letter: DeadLetter) -> str:
    """One line for a dead letter."""
    parts = [
        f"{letter.place.partition}:{letter.place.offset}",
        moment(letter.failed_at_ms),
        letter.reason or "(none)",
        str(letter.source or "(no source)"),
        letter.short_key,
    ]
    if letter.replayed_from is not None:
        parts.append(f"[replayed from {letter.replayed_from}]")
    return "  ".join([*parts, letter.message])


def document(letter: DeadLetter) -> dict[str, Any]:
    """The same as values of JSON."""
    return {
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "failed_at": moment(letter.failed_at_ms),
        "reason": letter.reason,
        "stage": letter.stage,
        "message": letter.message,
        "source": None if letter.source is None else letter.source._asdict(),
        "key": letter.short_key,
        "value_bytes": None if letter.value is None else len(letter.value),
        "replayed_from": None if letter.replayed_from is None else letter.replayed_from._asdict(),
    }


def details(letter: DeadLetter) -> Iterator[str]:
    """Lines with all that is known of a dead letter but its payload."""
    yield f"place: {letter.place}"
    yield f"written at: {moment(letter.written_ms)}"
    yield f"key: {'(none)' if letter.key is None else escaped(letter.key)}"
    yield f"value: {'none' if letter.value is None else f'{len(letter.value):,} bytes'}"
    for name, value in letter.headers:
        yield f"{escaped(name.encode())}: {'' if value is None else escaped(value)}"
    known = letter.record_ms
    yield f"the record's timestamp: {'not known, the record is gone' if known is None else moment(known)}"
    if letter.replayed_from is not None:
        yield f"the record was replayed from: {letter.replayed_from}"


def payload(value: bytes | None) -> str:
    """A payload, decoded as far as that goes; what does not print is escaped."""
    if value is None:
        return "no value"
    kind, text = _decoded(value)
    cut = f"\n({len(text) - _SHOWN_MAX:,} more characters)" if len(text) > _SHOWN_MAX else ""
    return f"{kind}:\n{_printable(text[:_SHOWN_MAX].rstrip())}{cut}"


def _decoded(value: bytes) -> tuple[str, str]:
    if value[:1] == b"\0" and len(value) > FRAMING_BYTES:
        schema_id, data = unframed(value)
        kind, text = _within(data)
        return f"framed, with the schema {schema_id} of a Schema Registry: {kind}", text
    return _as_text(value)


def _within(data: bytes) -> tuple[str, str]:
    """What is in a frame: JSON, a message behind its indexes, or bytes that only their schema explains."""
    try:
        return _as_text(data if data[:1] in (b"{", b"[") else without_indexes(data))
    except ValueError:
        return _as_text(data)


def _as_text(value: bytes) -> tuple[str, str]:
    try:
        if value.lstrip()[:1] in (b"{", b"["):
            return "JSON", json.dumps(json.loads(value), indent=2, ensure_ascii=False)
        event = UserEvent.FromString(value)
        if event.ListFields():
            return "UserEvent in protobuf", text_format.MessageToString(event, as_utf8=True, print_unknown_fields=True)
    except (ValueError, DecodeError, RecursionError):
        pass
    return "neither JSON nor a UserEvent in protobuf", value[:_SHOWN_MAX].decode(errors="backslashreplace")


def escaped(data: bytes) -> str:
    """Bytes as one line of printable text."""
    return _printable(data.decode(errors="backslashreplace")).replace("\n", "\\n")


def _printable(text: str) -> str:
    kept = (char if char.isprintable() or char in _PLAIN else char.encode("unicode_escape").decode() for char in text)
    return "".join(char if not "\ud800" <= char <= "\udfff" else "?" for char in kept)


def table(statistics: Statistics) -> Table:
    """Reasons, the most frequent first."""
    shown = Table(box=None, pad_edge=False)
    for column in ("reason", "count", "first", "last", "last message"):
        fold = column == "last message"
        shown.add_column(column, no_wrap=not fold, overflow="fold", justify="right" if column == "count" else "left")
    for reason, one in statistics.ranked:
        row = (reason, f"{one.count:,}", moment(one.first_ms), moment(one.last_ms), one.message)
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def frequent_keys(statistics: Statistics) -> str:
    """The most frequent keys in one line; empty if none comes twice."""
    top = statistics.keys.top(KEYS_SHOWN)
    about = "at least " if statistics.keys.missed else ""
    return ", ".join(f"{short_key(key)} {about}{count:,}" for key, count in top)


def outcome(report: Report, read: int) -> str:
    """The counts of a replay in one line, as `driftline drain` prints its own."""
    return f"read={read} matched={report.matched} sent={report.sent} skipped={report.skipped} failed={report.failed}"


def remarks(report: Report) -> Iterator[str]:
    """Lines about what failed and what may fail again."""
    for cause, failure in sorted(report.failures.items(), key=lambda item: -item[1].count):
        more = ", ..." if failure.count > len(failure.places) else ""
        yield f"failed {failure.count:,}: {cause} ({', '.join(failure.places)}{more})"
    if report.events != report.sent:
        yield f"{report.sent:,} dead letters made {report.events:,} events"
    if report.doubtful:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(report.doubtful.items()))
        yield f"warning: a job with the settings DRIFTLINE_JOB_* of this command rejects again: {reasons}"
