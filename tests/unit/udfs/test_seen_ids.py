"""Remembered ids against a plain model of them."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from udfs.seen_ids import SeenIds

HASHES = st.sampled_from([0, 1, 256, 257, 2**64 - 1, 0x0101010101010101]) | st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(HASHES, st.integers(0, 100))))
def test_behaves_like_a_dictionary_bounded_by_time(entries: list[tuple[int, int]]) -> None:
    seen, newest = SeenIds(horizon_ms=30, ids_max=1_000), 0
    model: dict[int, int] = {}
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
def test_bytes_do_not_depend_on_the_order_of_adding(entries: list[tuple[int, int]], rng: Random) -> None:
    shuffled = list(entries)
    rng.shuffle(shuffled)
    one, other = (SeenIds(horizon_ms=1_000, ids_max=20) for _ in range(2))
    for seen, order in ((one, entries), (other, shuffled)):
        for entry in order:
            seen.add(*entry)
    assert (one.hashes, one.times_ms) == (other.hashes, other.times_ms)


def test_bytes_of_two_neighbours_are_not_taken_for_an_id() -> None:
    seen = SeenIds(horizon_ms=10, ids_max=10)
    seen.add(0xAABBCCDD_00000000, 1)
    seen.add(0x00000000_EEFF0011, 2)
    straddling = 0xEEFF0011_AABBCCDD
    assert not seen.holds(straddling, 1)
    seen.add(straddling, 3)
    assert seen.holds(straddling, 3)
