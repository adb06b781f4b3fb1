from __future__ import annotations

from pathlib import Path

import pytest

from driftline.errors import SettingError
from serving.reloaded import Reloaded


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_looks_at_most_once_a_poll(tmp_path: Path) -> None:
    file, clock = tmp_path / "file", Clock()
    file.write_text("old")
    value = Reloaded([file], file.read_text, poll_s=1, clock=clock)
    file.write_text("newer")
    clock.now_s = 0.999
    assert value.get() == "old"
    clock.now_s = 1
    assert value.get() == "newer"


def test_first_load_that_fails_is_the_callers(tmp_path: Path) -> None:
    def load() -> str:
        raise SettingError("broken")  # noqa: EM101

    with pytest.raises(SettingError, match="broken"):
        Reloaded([tmp_path / "file"], load)


def test_files_replaced_while_they_are_read_are_read_again(tmp_path: Path) -> None:
    file, clock = tmp_path / "file", Clock()
    file.write_text("1")
    during: list[str] = []

    def load() -> str:
        text = file.read_text()
        if during:
            file.write_text(during.pop())
        return text

    value = Reloaded([file], load, poll_s=0, clock=clock)
    file.write_text("22")
    during.append("333")
    assert value.get() == "1"  # a mixture is not used
    assert value.get() == "333"
