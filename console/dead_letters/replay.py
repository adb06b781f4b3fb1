"""Sends dead letters again, mended: what becomes of each is counted, and what cannot be sent is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from google.protobuf.message import DecodeError

from console.dead_letters.mending import Mend, Mended, MendError
from console.dead_letters.records import REPLAYED_FROM, DeadLetter, Selection
from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import TOO_DEEP, format_event, parse_event
from history.reading import keyed
from udfs.decode import Decoder, validate
from udfs.rejects import InvalidEventError

T = TypeVar("T")

_CAUSES_MAX = 50
_PLACES_MAX = 5
_OTHERS = "(other causes)"
GONE = "its bytes were left behind, and its record is no longer on its topic"


class Outgoing(NamedTuple):
    """A resubmission."""

    user_id: str
    value: bytes
    timestamp_ms: int
    headers: list[tuple[str, bytes]]


@dataclass
class Failure:
    """How many dead letters could not be sent for one cause, and the first of them."""

    count: int = 0
    places: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What became of the dead letters that matched: matched = sent + skipped + failed.

    Attributes:
        events: resubmissions; more than `sent` where a mapping makes several events of a record.
        failures: by cause.
        doubtful: resubmissions that a job with the settings of this command would reject again, by reason.
        last_failed_at_ms: when the last one that was taken had been rejected.
    """

    matched: int = 0
    sent: int = 0
    skipped: int = 0
    events: int = 0
    failures: dict[str, Failure] = field(default_factory=dict)
    doubtful: dict[str, int] = field(default_factory=dict)
    last_failed_at_ms: int = 0

    @property
    def failed(self) -> int:
        """How many could not be sent."""
        return sum(failure.count for failure in self.failures.values())

    def fail(self, letter: DeadLetter, cause: str) -> None:
        """Count a dead letter that could not be sent."""
        known = cause in self.failures or len(self.failures) < _CAUSES_MAX
        failure = self.failures.setdefault(cause if known else _OTHERS, Failure())
        failure.count += 1
        if len(failure.places) < _PLACES_MAX:
            failure.places.append(f"{letter.place.partition}:{letter.place.offset}")


@dataclass(frozen=True, kw_only=True)
class Replay:
    """How dead letters are sent again.

    Attributes:
        mend: what makes events of them.
        complete: adds what the rejected record itself tells, if it is still there.
        send: sends one event. Raises InputError if the topic would not take it.
        decoder: as the job has it, as far as this command knows; its format is that of the events topic.
        now_ms: the wall clock.
    """

    mend: Mend
    complete: Callable[[DeadLetter], DeadLetter]
    send: Callable[[Outgoing], None]
    decoder: Decoder
    now_ms: Callable[[], int]

    def take(self, letter: DeadLetter, report: Report) -> None:
        """Mend and send a dead letter, and count what became of it."""
        report.matched += 1
        report.last_failed_at_ms = letter.failed_at_ms
        full = self.complete(letter)
        if full.left_behind:
            report.fail(letter, GONE)
            return
        try:
            outgoing = [self._outgoing(one, full) for one in self.mend(full)]
            for event in outgoing:
                self._doubt(event, report)
                self.send(event)
        except (MendError, InputError) as error:
            report.fail(letter, str(error))
            return
        report.events += len(outgoing)
        if outgoing:
            report.sent += 1
        else:
            report.skipped += 1

    def _outgoing(self, mended: Mended, letter: DeadLetter) -> Outgoing:
        """The resubmission of an event. Raises MendError unless it is one, with user and time, that any job takes."""
        event, value = decoded(mended, self.decoder)
        try:
            keyed(event)
            validate(event)
        except ValueError as error:
            message = f"the event {error}"
            raise MendError(message) from None
        except InvalidEventError as error:
            message = f"{error.reason}: {error}"
            raise MendError(message) from None
        mark = [(REPLAYED_FROM, str(letter.place).encode())]
        return Outgoing(event.user_id, value, self._timestamp_ms(event, letter), mark)

    def _timestamp_ms(self, event: UserEvent, letter: DeadLetter) -> int:
        """That of the rejected record, so that a wrong clock still shows; an impossible one is not known."""
        known_ms = letter.record_ms
        if known_ms is None or known_ms < self.decoder.event_time_min_ms:
            return event.event_time_ms
        return known_ms

    def _doubt(self, event: Outgoing, report: Report) -> None:
        try:
            self.decoder.decode(event.user_id.encode(), event.value, event.timestamp_ms, self.now_ms())
        except InvalidEventError as error:
            report.doubtful[error.reason] = report.doubtful.get(error.reason, 0) + 1


def decoded(mended: Mended, decoder: Decoder) -> tuple[UserEvent, bytes]:
    """Return an event and its bytes for the events topic, whose values the decoder reads.

    Raises:
        MendError: bytes are no event in the topic's form, or an event cannot be written in it.
        ServiceUnavailable: the schema registry of a topic of Avro does not answer.
    """
    if isinstance(mended, UserEvent):
        return mended, _written(mended, decoder)
    try:
        return _read(mended, decoder), mended
    except (DecodeError, ValueError) as error:
        why = f": {error}" if isinstance(error, ValueError) else ""
        message = f"is no UserEvent in {decoder.events_format}{why}"
        raise MendError(message) from None


def _written(event: UserEvent, decoder: Decoder) -> bytes:
    if decoder.values is not None:
        message = (
            "cannot be written: the values of the topic are framed, of Avro, or in words of a mapping; a transform may "
            "return bytes as their producer would send them"
        )
        raise MendError(message)
    return format_event(event).encode() if decoder.events_format == "json" else event.SerializeToString()


def _read(value: bytes, decoder: Decoder) -> UserEvent:
    if decoder.values is not None:
        return decoder.values.event(value)
    try:
        return parse_event(value) if decoder.events_format == "json" else UserEvent.FromString(value)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def selected(letters: Iterable[DeadLetter], selection: Selection, limit: int | None) -> Iterable[DeadLetter]:
    """Yield the first dead letters that are wanted, at most `limit`."""
    taken = 0
    for letter in letters:
        if letter not in selection:
            continue
        yield letter
        taken += 1
        if taken == limit:  # before another is read
            return


def paced(
    letters: Iterable[T],
    rate: float | None,
    *,
    sleep: Callable[[float], object],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """Yield at most `rate` a second; as fast as they come without one."""
    started_s = clock()
    for count, letter in enumerate(letters):
        if rate is not None and (ahead_s := started_s + count / rate - clock()) > 0:
            sleep(ahead_s)
        yield letter
