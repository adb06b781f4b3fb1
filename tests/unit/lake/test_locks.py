"""One command at a time changes a lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.lake.locks import alone
from driftline.errors import InputError
from tests.lake_files import lake_in


def test_a_second_one_waits_and_gives_up(tmp_path: Path) -> None:
    with alone(lake_in(tmp_path)):
        with pytest.raises(InputError, match="has not ended for 0 s"), alone(lake_in(tmp_path), wait_s=0.01):
            pass
        with alone(lake_in(tmp_path, "other"), wait_s=0.01):
            pass
    with alone(lake_in(tmp_path), wait_s=0.01):
        pass
    assert list(tmp_path.iterdir()) == []
