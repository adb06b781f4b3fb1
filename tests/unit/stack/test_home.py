import stat
from pathlib import Path

import pytest

from console.local.home import DATA_FOLDERS, MARKER, Home
from driftline.errors import StackError


def test_purge_deletes_what_the_stack_made_and_nothing_else(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for name in DATA_FOLDERS:
        (home.folder(name) / "data").touch()
    (tmp_path / "models").mkdir()
    assert home.purge() == [tmp_path / name for name in DATA_FOLDERS]
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
    assert home.purge() == []


def test_purge_refuses_a_folder_without_the_marker_and_deletes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.folder("kafka")
    (tmp_path / "logs").mkdir()
    with pytest.raises(StackError, match="logs carries no"):
        home.purge()
    assert (tmp_path / "kafka" / MARKER).exists()


def test_a_folder_of_someone_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "theirs").touch()
    with pytest.raises(StackError, match="was not made by driftline"):
        Home(tmp_path).folder("redis")


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="cannot use DRIFTLINE_HOME"):
        Home(tmp_path / "file" / "home").folder("run")
    with pytest.raises(StackError, match="cannot use DRIFTLINE_HOME"):
        Home(tmp_path / "file" / "home").lock()


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_home_and_its_data_folders_are_their_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "new" / "home")
    home.lock().release()
    folders = [home.folder(name) for name in DATA_FOLDERS]
    assert {permissions(folder) for folder in (home.path, *folders)} == {0o700}


def test_a_data_folder_of_an_earlier_release_is_closed_and_a_shared_home_stays_open(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.folder("logs").chmod(0o755)
    tmp_path.chmod(0o750)
    assert permissions(home.folder("logs")) == 0o700
    assert permissions(tmp_path) == 0o750
