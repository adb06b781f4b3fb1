"""The files of a folder of models: on disk, or in a bucket (driftline/model_bucket.py).

What is written is there whole or not at all, so that a reader sees the old or the new.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from driftline.errors import ModelError

CURRENT: Final = "current"  # names the live version
ROOT: Final = "."  # the folder of a score whose models are in models_dir itself


class ModelFiles(Protocol):
    """The files below a folder. Names have / between folders and files; what cannot be done raises OSError.

    Attributes:
        where: the folder, for messages: a path or a URL.
    """

    where: str

    def check(self) -> None:
        """Raise ModelError where the folder, or that of all scores, does not exist or does not answer."""

    def read(self, name: str, bytes_max: int) -> bytes:
        """Return a file's first bytes. Raises FileNotFoundError where there is none."""

    def read_hashed(self, name: str, sha256: str, bytes_max: int) -> bytes:
        """Return a file's first bytes; where it is kept nearer by its hash, that is as good."""

    def exists(self, name: str) -> bool:
        """Whether there is a file."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, or replace it."""

    def add(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Add a folder with these files, the last of which says that it is whole; nothing where it is there."""

    def names(self, folder: str = "") -> list[str]:
        """Return the names in a folder, ascending, but for hidden ones; none where there is no such folder."""

    def mark(self, name: str) -> object:
        """Return what tells a file from others under the same name; None where there is none."""


class LocalModelFiles:
    """A folder on disk, or on a shared volume.

    Args:
        path: the folder.
        root: the folder that must exist.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self.where = str(path)
        self._root = root

    def check(self) -> None:
        """See ModelFiles."""
        try:
            found = self._root.stat()
        except OSError as error:
            message = f"models_dir {self._root}: {error.strerror}"
            raise ModelError(message) from error
        if not stat.S_ISDIR(found.st_mode):
            message = f"models_dir {self._root} is not a folder"
            raise ModelError(message)

    def read(self, name: str, bytes_max: int) -> bytes:
        """See ModelFiles."""
        with (self.path / name).open("rb") as file:
            return file.read(bytes_max)

    def read_hashed(self, name: str, sha256: str, bytes_max: int) -> bytes:
        """See ModelFiles."""
        return self.read(name, bytes_max)

    def exists(self, name: str) -> bool:
        """See ModelFiles."""
        return (self.path / name).exists()

    def write(self, name: str, content: bytes) -> None:
        """See ModelFiles."""
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.{os.getpid()}")
        draft.write_bytes(content)
        draft.replace(place)

    def add(self, folder: str, files: Mapping[str, bytes]) -> None:
        """See ModelFiles."""
        draft = self.path / f".{folder}.{os.getpid()}"
        draft.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (draft / name).write_bytes(content)
        if (self.path / folder).exists():
            shutil.rmtree(draft)  # the same content at the same second
        else:
            draft.rename(self.path / folder)

    def names(self, folder: str = "") -> list[str]:
        """See ModelFiles."""
        try:
            return sorted(one.name for one in (self.path / folder).iterdir() if not one.name.startswith("."))
        except FileNotFoundError:
            return []

    def mark(self, name: str) -> object:
        """See ModelFiles."""
        try:
            found = (self.path / name).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def files_at(models_dir: Path | str, below: str = ROOT, s3_endpoint: str = "") -> ModelFiles:
    """Return the files of a score's models.

    Args:
        models_dir: a folder, or s3://bucket/prefix.
        below: the score's folder in it; ROOT: `models_dir` itself.
        s3_endpoint: URL of a server that speaks S3; empty: that of AWS.

    Raises:
        SettingError: it is neither a folder nor such a URL.
    """
    if is_url(models_dir):
        from driftline.model_bucket import BucketModelFiles  # noqa: PLC0415  (it needs this module)

        return BucketModelFiles.at(str(models_dir), "" if below == ROOT else below, s3_endpoint)
    root = Path(models_dir)
    return LocalModelFiles(root if below == ROOT else root / below, root)


def is_url(models_dir: Path | str) -> bool:
    """Whether models are somewhere else than in a folder."""
    return isinstance(models_dir, str) and bool(urlsplit(models_dir).scheme)


def why(error: OSError) -> str:
    """Return why a file could not be read or written, in one line."""
    return (error.strerror or str(error) or type(error).__name__).splitlines()[0]


def has_hash(content: bytes, sha256: str) -> bool:
    """Whether content is what it should be."""
    return hashlib.sha256(content).hexdigest() == sha256
