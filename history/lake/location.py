"""Where a lake is: a folder, or a bucket of anything that speaks S3."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from driftline.errors import SettingError


class Location(NamedTuple):
    """A place that files are read from and written to.

    Attributes:
        files: the file system.
        path: in it, without a slash at its end.
    """

    files: pafs.FileSystem
    path: str

    def below(self, *names: str) -> Location:
        """Return a place below this one."""
        return Location(self.files, "/".join([self.path, *names]))


def locate(url: str, s3_endpoint: str = "") -> Location:
    """Return where a lake is.

    Credentials and region of S3 are those of the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION) or
    of the machine's role.

    Args:
        url: a path, a file:// URL, or s3://bucket/prefix.
        s3_endpoint: http:// or https:// URL of a server that speaks S3; empty: that of AWS.

    Raises:
        SettingError: it is none of these.
    """
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        path = parts.path if parts.scheme else url
        return Location(pafs.LocalFileSystem(), str(Path(path).absolute()))
    if parts.scheme == "s3" and parts.netloc:
        return Location(_s3(s3_endpoint), f"{parts.netloc}{parts.path}".rstrip("/"))
    message = f"lake_url={url!r} should be a path, file:///path or s3://bucket/prefix"
    raise SettingError(message)


def _s3(endpoint: str) -> pafs.FileSystem:
    if not endpoint:
        return pafs.S3FileSystem()
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        message = f"s3_endpoint={endpoint!r} should be http://host:port or https://host:port"
        raise SettingError(message)
    return pafs.S3FileSystem(endpoint_override=parts.netloc, scheme=parts.scheme)
