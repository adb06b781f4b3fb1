"""No record stops the job: a short run of `make fuzz`."""

from __future__ import annotations

import pytest

from benchmarks.fuzz import NOW_MS, SECRET, Hostile, Target, fuzz
from udfs.block import Block
from udfs.rejects import Reason

RECORDS = 60_000


def test_nothing_but_dead_letters_comes_of_hostile_records() -> None:
    totals = fuzz(RECORDS, seed=20_260_101, note=lambda _: None)
    for encoding in ("protobuf", "json"):
        counts = totals[encoding]
        assert sum(counts[name] for name in ("accepted", "duplicate", "late", "dead_letter")) == RECORDS // 2
        assert {*Reason} <= counts.keys()
        assert counts["accepted"] > RECORDS // 50


def test_the_same_seed_makes_the_same_records() -> None:
    assert Hostile(7).block("json") == Hostile(7).block("json") != Hostile(8).block("json")


def test_what_escapes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RecursionError

    monkeypatch.setattr("benchmarks.fuzz.no_model", broken)  # the compiled core itself cannot be patched
    with pytest.raises(AssertionError, match=r"protobuf, seed 1, block 0: RecursionError"):
        fuzz(1_000, seed=1)


def test_a_header_that_tells_of_a_payload_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_JOB_EVENTS_TOPIC", SECRET)  # a header names the topic
    target = Target("json")
    with pytest.raises(AssertionError, match="a header holds a payload"):
        target.feed(Block([b"u"], [b'{"eventId":"e","userId":"u","type":"VIEW","eventTimeMs":1}'], [0], [0], [NOW_MS]))
