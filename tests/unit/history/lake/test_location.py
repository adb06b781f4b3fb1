"""Where a lake may be, and what is said of a place that is none."""

from __future__ import annotations

from pathlib import Path

import pyarrow.fs as pafs
import pytest

from driftline.errors import SettingError
from history.lake.layout import folder_of
from history.lake.location import locate
from tests.builders import HOUR, T0


@pytest.mark.parametrize("url", ["{}", "file://{}"])
def test_a_folder_is_a_place(tmp_path: Path, url: str) -> None:
    location = locate(url.format(tmp_path))
    assert isinstance(location.files, pafs.LocalFileSystem)
    assert location.path == str(tmp_path)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("lake").path == str(tmp_path / "lake")


def test_a_bucket_is_a_place() -> None:
    location = locate("s3://bucket/some/prefix/", "http://127.0.0.1:1")
    assert isinstance(location.files, pafs.S3FileSystem)
    assert location.path == "bucket/some/prefix"
    assert location.below("events", "x").path == "bucket/some/prefix/events/x"


@pytest.mark.parametrize("url", ["s3://", "s3:///no-bucket", "gs://bucket", "http://host/lake"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SettingError, match="should be a path"):
        locate(url)


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://host"])
def test_an_endpoint_is_a_url(endpoint: str) -> None:
    with pytest.raises(SettingError, match="s3_endpoint"):
        locate("s3://bucket", endpoint)


def test_folders_are_named_by_date_and_hour_in_utc() -> None:
    assert folder_of(T0) == "event_date=2026-01-01/event_hour=00"
    assert folder_of(T0 + 23 * HOUR + 3_599_999) == "event_date=2026-01-01/event_hour=23"
