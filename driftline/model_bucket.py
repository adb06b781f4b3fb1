"""The files of a folder of models in a bucket of anything that speaks S3, beside a local copy of those in use.

An object is there whole or not at all. A version is made of several: its manifest is written last, and the pointer to
it after that, so that a reader who finds the pointer finds all of it.

The client of S3 is imported and made when the bucket is first asked, not before: making it may ask the network for a
region and credentials, and in a job that is for the watcher's thread (jobs/model_watch.py), not for Flink's. The end of
a process waits for a request that is under way, which may take 16 s where the bucket does not answer.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from driftline.errors import ModelError, SettingError
from driftline.model_files import has_hash, why

if TYPE_CHECKING:
    from driftline.location import Location

CACHE: Final = "driftline-models"  # below the folder for temporary files
_KEPT: Final = 20  # models in the cache
_TIMEOUT_S: Final = 5.0
_NOT_FOUND: Final = "NotFound"  # of pyarrow.fs.FileType


class ModelCache:
    """Copies of models on this machine, by the hash of their content; a cache that cannot be used is none.

    Args:
        folder: where; made when it is needed.
        kept: how many copies stay, those that were used last.
    """

    def __init__(self, folder: Path, kept: int = _KEPT) -> None:
        self._folder = folder
        self._kept = kept

    def get(self, sha256: str) -> bytes | None:
        """Return a copy; None where there is none, or it is damaged."""
        file = self._folder / sha256
        try:
            content = file.read_bytes()
            if not has_hash(content, sha256):
                file.unlink()
                return None
            os.utime(file)
        except OSError:
            return None
        return content

    def put(self, sha256: str, content: bytes) -> None:
        """Keep a copy of what has this hash."""
        if not has_hash(content, sha256):
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._folder / f".{sha256}.{os.getpid()}"
            draft.write_bytes(content)
            draft.replace(self._folder / sha256)
            for old in sorted(self._folder.glob("[!.]*"), key=lambda one: one.stat().st_mtime)[: -self._kept]:
                old.unlink(missing_ok=True)
        except OSError:
            return


class BucketModelFiles:
    """A folder in a bucket; see `driftline.model_files.ModelFiles` for what its methods do.

    Args:
        locate: returns the folder; called when it is first asked.
        where: its URL.
        cache: of models.
    """

    def __init__(self, locate: Callable[[], Location], where: str, cache: ModelCache) -> None:
        self.where = where
        self._locate = locate
        self._cache = cache
        self._answered = False  # whether the bucket is known to be there

    @classmethod
    def at(cls, url: str, below: str, s3_endpoint: str) -> BucketModelFiles:
        """Return the files below a URL; copies are kept below TMPDIR. Raises SettingError where it is none of S3's."""
        if urlsplit(url).scheme != "s3":
            message = f"models_dir={url!r} should be a folder or s3://bucket/prefix"
            raise SettingError(message)
        where = url.rstrip("/") + (f"/{below}" if below else "")
        cache = ModelCache(Path(tempfile.gettempdir()) / f"{CACHE}-{os.getuid()}")
        return cls(functools.partial(_located, where, s3_endpoint), where, cache)

    def check(self) -> None:
        """See ModelFiles; a prefix need not exist, but its bucket must."""
        if self._answered:
            return
        try:
            files, path = self._location
            bucket = path if path.startswith("/") else path.partition("/")[0]
            found = files.get_file_info(bucket)
        except OSError as error:
            message = f"models_dir {self.where} does not answer: {why(error)}"
            raise ModelError(message) from error
        if found.type.name == _NOT_FOUND:
            message = f"models_dir {self.where}: there is no bucket {bucket}"
            raise ModelError(message)
        self._answered = True

    def read(self, name: str, bytes_max: int) -> bytes:
        """See ModelFiles."""
        with self._location.files.open_input_file(self._at(name)) as file:
            content: bytes = file.read(bytes_max)
        return content

    def read_hashed(self, name: str, sha256: str, bytes_max: int) -> bytes:
        """See ModelFiles."""
        content = self._cache.get(sha256)
        if content is None:
            content = self.read(name, bytes_max)
            self._cache.put(sha256, content)
        return content

    def exists(self, name: str) -> bool:
        """See ModelFiles."""
        return bool(self._location.files.get_file_info(self._at(name)).is_file)

    def write(self, name: str, content: bytes) -> None:
        """See ModelFiles."""
        with self._location.files.open_output_stream(self._at(name)) as file:
            file.write(content)

    def add(self, folder: str, files: Mapping[str, bytes]) -> None:
        """See ModelFiles."""
        if self.exists(f"{folder}/{list(files)[-1]}"):
            return
        for name, content in files.items():
            self.write(f"{folder}/{name}", content)

    def names(self, folder: str = "") -> list[str]:
        """See ModelFiles."""
        from pyarrow.fs import FileSelector  # noqa: PLC0415  (see above)

        selector = FileSelector(self._at(folder), allow_not_found=True)
        found = [one.base_name for one in self._location.files.get_file_info(selector)]
        return sorted(name for name in found if not name.startswith("."))

    def mark(self, name: str) -> object:
        """See ModelFiles."""
        try:
            found = self._location.files.get_file_info(self._at(name))
        except OSError:
            return None
        return None if found.type.name == _NOT_FOUND else (found.mtime_ns, found.size)

    @functools.cached_property
    def _location(self) -> Location:
        return self._locate()

    def _at(self, name: str) -> str:
        path = self._location.path
        return f"{path}/{name}" if name else path


def _located(url: str, s3_endpoint: str) -> Location:
    from driftline.location import locate  # noqa: PLC0415  (see above)

    try:
        return locate(url, s3_endpoint, setting="models_dir", timeout_s=_TIMEOUT_S)
    except SettingError as error:
        raise ModelError(str(error)) from None
