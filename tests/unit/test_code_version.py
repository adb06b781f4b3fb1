"""A job never runs on code that it was not submitted with."""

from __future__ import annotations

import pytest

from driftline.code_version import CODE_VERSION, OtherCodeError, _fingerprint, require


def test_same_code_is_fine_and_the_fingerprint_is_stable() -> None:
    assert _fingerprint() == CODE_VERSION
    require(CODE_VERSION)


def test_other_code_is_refused_with_the_way_out() -> None:
    with pytest.raises(OtherCodeError, match="restart the TaskManagers"):
        require("000000000000")
