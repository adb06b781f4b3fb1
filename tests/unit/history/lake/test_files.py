"""Which files a lake consists of, while they come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

from driftline.errors import InputError
from history.lake import files
from history.lake.files import COMMITTED, STAGED, current_files, data_files, footer_of
from history.lake.location import Location
from tests.lake_files import lake_in, put, rows_of


class Changing:
    """Has something happen during each of the first listings: after the listing was made, before it is seen."""

    def __init__(self, location: Location, changes: list[Any]) -> None:
        self.location = location
        self.changes = changes
        self.real = files._listed

    def __call__(self, location: Location) -> dict[str, tuple[int, int]]:
        found = self.real(location)
        if self.changes:
            self.changes.pop(0)()
        return found


def test_a_listing_that_has_missed_something_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = lake_in(tmp_path)
    first = put(location, rows_of([(0, 0)]))
    late: list[str] = []
    changes = [lambda: late.append(put(location, rows_of([(0, 1)]))), lambda: Path(first).unlink()]
    monkeypatch.setattr(files, "_listed", Changing(location, changes))
    assert [file.path for file in data_files(location)] == late


def test_files_that_never_rest_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = lake_in(tmp_path)
    changes = [lambda: put(location, rows_of([(0, 0)]))] * 100
    monkeypatch.setattr(files, "_listed", Changing(location, changes))
    with pytest.raises(InputError, match="change faster than"):
        data_files(location)


def test_hidden_files_that_grow_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = lake_in(tmp_path)
    path = put(location, rows_of([(0, 0)]))
    growing = Path(path).parent / ".part-0.inprogress"

    def grow() -> None:
        growing.write_bytes(b"x" * (growing.stat().st_size + 1 if growing.exists() else 1))

    changing = Changing(location, [grow] * 3)
    monkeypatch.setattr(files, "_listed", changing)
    assert [file.path for file in data_files(location)] == [path]
    assert len(changing.changes) == 1  # two listings did


def test_a_file_that_is_being_moved_is_read_once(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    path = Path(put(location, rows_of([(0, 0)])))
    staged = Path(location.path) / f"{STAGED}1" / path.relative_to(location.path)
    staged.parent.mkdir(parents=True)
    staged.write_bytes(path.read_bytes())
    (Path(location.path) / f"{STAGED}1" / COMMITTED).write_text("{}")
    assert [file.path for file in data_files(location)] == [str(path)]
    path.unlink()
    assert [(file.path, file.date, file.hour) for file in data_files(location)] == [(str(staged), "2026-01-01", "00")]


def test_a_file_that_goes_while_its_end_is_read_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = lake_in(tmp_path)
    gone = Path(put(location, rows_of([(0, 0)])))
    kept = put(location, rows_of([(0, 1)]))
    real = footer_of

    def read(where: Location, path: str) -> Any:
        if path == str(gone):
            gone.unlink(missing_ok=True)
        return real(where, path)

    monkeypatch.setattr(files, "footer_of", read)
    assert [file.path for file, _ in current_files(location)] == [kept]


def test_an_end_says_where_rows_are(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    path = put(location, rows_of([(1, 5), (2, 0), (2, 9)]))
    footer = footer_of(location, path)
    assert (footer.rows, footer.first, footer.replaces) == (3, (1, 0), ())
    assert footer.may_hold(1, 9, 10)  # as far as statistics tell
    assert not footer.may_hold(1, 10, 99)
    assert not footer.may_hold(0, 0, 99)
    assert not footer.may_hold(3, 0, 99)


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert data_files(lake_in(tmp_path / "nowhere")) == []
    assert isinstance(lake_in(tmp_path).files, pafs.LocalFileSystem)
