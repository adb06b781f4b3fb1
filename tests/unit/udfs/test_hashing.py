"""The hash of ids is part of the state: these values hold for every release, machine and version of the library."""

from __future__ import annotations

import pytest

from udfs.hashing import hash64, id_hash

PINNED = {
    "": 0x2D06800538D394C2,
    "abc": 0x78AF5F94892F3950,
    "user-1": 0x7C7615C11438E5C9,
    "tröst-✓": 0x303D4F6759F3726D,
    "x" * 128: 0x4CA37E83F6CDDD17,
}


@pytest.mark.parametrize("text", PINNED)
def test_hashes_never_change(text: str) -> None:
    assert hash64(text) == PINNED[text]
    assert id_hash(text) == PINNED[text].to_bytes(8, "big")
