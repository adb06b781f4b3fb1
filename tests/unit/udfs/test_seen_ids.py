"""Remembered ids against a plain model of them."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from udfs.seen_ids import SeenIds

HASHES = st.sampled_from([bytes(8), b"\0" * 7 + b"\1", b"\1" * 8, b"\xff" * 8]) | st.binary(min_size=8, max_size=8)


@given(st.lists(st.tuples(HASHES, st.integers(0, 100))))
def test_behaves_like_a_dictionary_bounded_by_time(entries: list[tuple[bytes, int]]) -> None:
    seen, newest = SeenIds(horizon_ms=30, ids_max=1_000), 0
    model: dict[bytes, int] = {}
    for id_hash, time_ms in entries:
        known = model.get(id_hash)
        held = known is not None and abs(time_ms - known) <= 30
        assert seen.holds(id_hash, time_ms) == held
        if held or time_ms < newest - 30:
            continue
        newest = max(newest, time_ms)
        model = {h: t for h, t in model.items() if t >= newest - 30} | {id_hash: time_ms}
        seen.expire(newest)
        seen.add(id_hash, time_ms)
        assert len(seen) == len(model)


@given(st.lists(st.tuples(HASHES, st.integers(0, 100)), unique_by=lambda entry: entry[0]), st.randoms())
def test_bytes_do_not_depend_on_the_order_of_adding(entries: list[tuple[bytes, int]], rng: Random) -> None:
    shuffled = list(entries)
    rng.shuffle(shuffled)
    one, other = (SeenIds(horizon_ms=1_000, ids_max=20) for _ in range(2))
    for seen, order in ((one, entries), (other, shuffled)):
        for entry in order:
            seen.add(*entry)
    assert (one.hashes, one.times_ms) == (other.hashes, other.times_ms)


def test_bound_drops_the_oldest() -> None:
    seen = SeenIds(horizon_ms=100, ids_max=2)
    assert [seen.add(bytes([n]) * 8, n) for n in (5, 3, 4)] == [0, 0, 1]
    assert [seen.holds(bytes([n]) * 8, n) for n in (3, 4, 5)] == [False, True, True]


def test_bytes_of_two_neighbours_are_not_taken_for_an_id() -> None:
    seen = SeenIds(horizon_ms=10, ids_max=10)
    seen.add(b"aaaabbbb", 1)
    seen.add(b"ccccdddd", 2)
    assert not seen.holds(b"bbbbcccc", 1)
    seen.add(b"bbbbcccc", 3)
    assert seen.holds(b"bbbbcccc", 3)


@given(st.lists(st.tuples(HASHES, st.integers(0, 100)), max_size=12), HASHES, st.integers(0, 100))
def test_the_very_time_of_an_id_is_told_from_others(entries: list[tuple[bytes, int]], id_hash: bytes, at: int) -> None:
    seen = SeenIds(horizon_ms=0, ids_max=1_000)  # so that an id may be added at several times
    for entry in entries:
        if not seen.holds(*entry):
            seen.add(*entry)
    assert seen.holds_at(id_hash, at) == ((id_hash, at) in entries)
