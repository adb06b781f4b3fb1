"""A dead letter as plain values: the rejected record, why it was rejected, and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from driftline.words import shown
from udfs.rejects import HEADER_PREFIX, Reason

REPLAYED_FROM = "driftline.replayed_from"  # the header of a resubmission: the place of its dead letter
_REASON_CHARS_MAX = 40
_MESSAGE_CHARS_MAX = 300
_KEY_CHARS_MAX = 12  # enough to tell users apart; keys may be personal
_PLACE_PARTS = 3

Headers = Sequence[tuple[str, bytes]]


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """Return the place of TOPIC:PARTITION:OFFSET, None if the text is none."""
        parts = text.split(":")
        if len(parts) != _PLACE_PARTS or not parts[0]:
            return None
        partition, offset = _number(parts[1]), _number(parts[2])
        return None if partition is None or offset is None else cls(parts[0], partition, offset)


class Original(NamedTuple):
    """A record of the topic that a dead letter came from."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int  # below 0 where the topic has none
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A rejected record.

    Attributes:
        place: where the dead letter stands.
        key, value: those of the rejected record, as they came. Of one that was too large the value is None, unless the
            record itself is still there and was looked up.
        headers: all headers of the dead letter.
        written_ms: the timestamp of the dead letter.
        record_ms: the timestamp of the rejected record; None if it is not known.
        replayed_from: the dead letter that the rejected record was a resubmission of; None if it was none, or if that
            is not known.
    """

    place: Place
    key: bytes | None
    value: bytes | None
    headers: Headers
    written_ms: int
    record_ms: int | None = None
    replayed_from: Place | None = None

    @property
    def reason(self) -> str:
        """Why it was rejected; empty where no header says so."""
        return shown(self._text("reason"), _REASON_CHARS_MAX)

    @property
    def stage(self) -> str:
        """The step that rejected it."""
        return shown(self._text("stage"), _REASON_CHARS_MAX)

    @property
    def message(self) -> str:
        """Why, in words. Printable, and nothing of the payload."""
        return shown(self._text("message"), _MESSAGE_CHARS_MAX)

    @property
    def failed_at_ms(self) -> int:
        """When it was rejected; when it was written, where no header says so."""
        failed_ms = _number(self._text("failed_at_ms"))
        return self.written_ms if failed_ms is None else failed_ms

    @property
    def source(self) -> Place | None:
        """Where the rejected record stands, or stood."""
        topic, partition, offset = (self._text(name) for name in ("topic", "partition", "offset"))
        return Place.parse(f"{shown(topic, _MESSAGE_CHARS_MAX)}:{partition}:{offset}")

    @property
    def left_behind(self) -> bool:
        """Whether the bytes of the record are not here, because there were too many."""
        return self.value is None and self.reason == Reason.TOO_LARGE

    @property
    def short_key(self) -> str:
        """The beginning of the key, printable."""
        return short_key(self.key)

    def with_original(self, original: Original | None) -> DeadLetter:
        """Return the dead letter with what its record tells: timestamp, header, and the bytes that were left behind.

        Nothing is taken from a record that is another one, as in a topic that was made anew.
        """
        if original is None:
            return self
        if self.left_behind:
            same = self.key in (None, original.key)
        else:
            same = (self.key, self.value) == (original.key, original.value)
        if not same:
            return self
        marks = [text.decode(errors="replace") for name, text in original.headers if name == REPLAYED_FROM]
        return replace(
            self,
            key=original.key,
            value=original.value,
            record_ms=original.timestamp_ms if original.timestamp_ms >= 0 else None,
            replayed_from=Place.parse(shown(marks[-1], _MESSAGE_CHARS_MAX)) if marks else None,
        )

    def _text(self, name: str) -> str:
        wanted = HEADER_PREFIX + name
        return next((text.decode(errors="replace") for found, text in self.headers if found == wanted), "")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which dead letters are wanted; all of them by default."""

    reasons: frozenset[str] = frozenset()
    since_ms: int | None = None  # rejected at this time or later
    until_ms: int | None = None  # and before this one

    def __contains__(self, letter: DeadLetter) -> bool:
        failed_ms = letter.failed_at_ms
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.since_ms is None or failed_ms >= self.since_ms)
            and (self.until_ms is None or failed_ms < self.until_ms)
        )


def short_key(key: bytes | None) -> str:
    """Return the beginning of a key, printable."""
    if key is None:
        return "(no key)"
    text = key.decode(errors="replace")
    return shown(text, _KEY_CHARS_MAX) + ("\u2026" if len(text) > _KEY_CHARS_MAX else "")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None  # noqa: PLR2004  (64 bits)
