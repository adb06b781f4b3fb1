"""Dead letters counted within bounds."""

from __future__ import annotations

from console.dead_letters import statistics
from console.dead_letters.records import DeadLetter, Place
from console.dead_letters.statistics import FrequentKeys, Statistics
from tests.builders import NOW
from tests.unit.dead_letters.builders import letter
from udfs.rejects import HEADER_PREFIX, Reason


def test_reasons_are_counted_with_times_and_the_newest_message() -> None:
    counted = Statistics()
    for at_ms, text in ((5, "second"), (1, "first"), (9, "third")):
        counted.add(letter(Reason.MISSING_FIELD, failed_ms=NOW + at_ms, text=text))
    counted.add(letter(Reason.LATE, key=None))
    assert counted.as_document() == {
        "total": 4,
        "reasons": [
            {"reason": "MISSING_FIELD", "count": 3, "first_ms": NOW + 1, "last_ms": NOW + 9, "message": "third"},
            {"reason": "LATE", "count": 1, "first_ms": NOW, "last_ms": NOW, "message": "why"},
        ],
        "keys": [{"key": "u1", "count": 3}],
        "key_counts_missed_max": 0,
    }


def test_reasons_of_others_are_bounded() -> None:
    counted = Statistics()
    for number in range(500):
        header = (HEADER_PREFIX + "reason", f"R{number}".encode())
        counted.add(DeadLetter(place=Place("t", 0, 0), key=None, value=None, headers=(header,), written_ms=1))
    assert len(counted.reasons) == statistics._REASONS_MAX + 1
    assert sum(one.count for one in counted.reasons.values()) == 500


def test_a_frequent_key_is_found_among_many_with_few_counters() -> None:
    keys = FrequentKeys(keys_max=10)
    for number in range(1_000):
        keys.add(b"rare-%d" % number)
        if number % 4 == 0:
            keys.add(b"bot")
    ((key, count),) = keys.top(1)
    assert key == b"bot"
    assert count <= 250 <= count + keys.missed


def test_keys_that_come_once_are_not_frequent() -> None:
    keys = FrequentKeys()
    keys.add(b"a")
    assert keys.top(5) == []
