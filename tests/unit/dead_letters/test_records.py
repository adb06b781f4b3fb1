"""Dead letters as values: their headers, what their record adds, and which are selected."""

from __future__ import annotations

import pytest

from console.dead_letters.records import REPLAYED_FROM, DeadLetter, Original, Place, Selection
from tests.builders import NOW
from tests.unit.dead_letters.builders import GOOD, TOPIC, letter
from udfs.rejects import Reason


def test_the_headers_of_the_job_are_understood() -> None:
    found = letter(Reason.CLOCK_SKEW, text="ahead")
    assert (found.reason, found.stage, found.message) == ("CLOCK_SKEW", "validate", "ahead")
    assert (found.source, found.failed_at_ms) == (Place("events", 3, 17), NOW)


def test_a_record_without_headers_of_ours_is_shown_all_the_same() -> None:
    found = DeadLetter(place=Place(TOPIC, 0, 1), key=None, value=None, headers=(("other", b"1"),), written_ms=9)
    assert (found.reason, found.message, found.source, found.failed_at_ms) == ("", "", None, 9)
    assert found.short_key == "(no key)"


def test_what_is_shown_is_printable_and_short() -> None:
    found = letter(text="red\x1b[31m\u202e\n" + "x" * 500, key=b"\x1b]0;ann.very.long@example.com")
    assert found.message.isprintable()
    assert len(found.message) == 300
    assert found.short_key.isprintable()
    assert len(found.short_key) == 13
    assert "example" not in found.short_key


def test_the_record_tells_its_timestamp_and_whether_it_was_a_resubmission() -> None:
    mark = [(REPLAYED_FROM, b"events.dead-letter:2:5")]
    full = letter().with_original(Original(b"u1", GOOD, 77, mark))
    assert (full.record_ms, full.replayed_from) == (77, Place(TOPIC, 2, 5))
    assert letter().with_original(Original(b"u1", GOOD, -1)).record_ms is None


def test_another_record_at_its_place_tells_nothing() -> None:
    for other in (Original(b"u2", GOOD, 77), Original(b"u1", b"other", 77)):
        assert letter().with_original(other) == letter()
    assert letter().with_original(None) == letter()


def test_bytes_that_were_left_behind_come_from_the_record() -> None:
    large = letter(Reason.TOO_LARGE, value=None)
    assert large.left_behind
    full = large.with_original(Original(b"u1", GOOD, 77))
    assert (full.value, full.left_behind) == (GOOD, False)
    assert large.with_original(Original(b"u2", GOOD, 77)).left_behind
    keyless = letter(Reason.TOO_LARGE, key=None, value=None)  # the key was too large as well
    assert keyless.with_original(Original(b"k" * 9_999, GOOD, 77)).value == GOOD


def test_a_tombstone_is_not_left_behind() -> None:
    assert not letter(Reason.UNDECODABLE, value=None).left_behind


@pytest.mark.parametrize("text", ["", "a", "a:1", "a:1:2:3", "a:-1:2", "a:1:x", ":1:2", "a:1:99999999999999999999"])
def test_what_is_no_place(text: str) -> None:
    assert Place.parse(text) is None


def test_places_are_read_as_they_are_written() -> None:
    assert Place.parse(str(Place(TOPIC, 1, 2))) == Place(TOPIC, 1, 2)


def test_selections() -> None:
    assert letter() in Selection()
    assert letter() in Selection(reasons=frozenset({"KEY_MISMATCH"}))
    assert letter() not in Selection(reasons=frozenset({"LATE"}))
    assert letter() in Selection(since_ms=NOW, until_ms=NOW + 1)
    assert letter() not in Selection(since_ms=NOW + 1)
    assert letter() not in Selection(until_ms=NOW)
