"""Where a lake, or the registry of models, is: a folder, or a bucket of anything that speaks S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from driftline.errors import SettingError

_ATTEMPTS: Final = 3  # at a request, where a time-out is given


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


def locate(url: str, s3_endpoint: str = "", *, setting: str = "lake_url", timeout_s: float | None = None) -> Location:
    """Return where something is.

    Credentials and region of S3 are those of the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION) or
    of the machine's role.

    Args:
        url: a path, a file:// URL, or s3://bucket/prefix.
        s3_endpoint: http:// or https:// URL of a server that speaks S3; empty: that of AWS.
        setting: what the place is called in an error.
        timeout_s: how long a request to S3 may take, before it is tried twice more; None: as the library has it.

    Raises:
        SettingError: it is none of these.
    """
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        path = parts.path if parts.scheme else url
        return Location(pafs.LocalFileSystem(), str(Path(path).absolute()))
    if parts.scheme == "s3" and parts.netloc:
        return Location(_s3(s3_endpoint, timeout_s), f"{parts.netloc}{parts.path}".rstrip("/"))
    message = f"{setting}={url!r} should be a path, file:///path or s3://bucket/prefix"
    raise SettingError(message)


def _s3(endpoint: str, timeout_s: float | None) -> pafs.FileSystem:
    options: dict[str, Any] = {}
    if timeout_s is not None:
        retries = pafs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS)
        options = {"request_timeout": timeout_s, "connect_timeout": timeout_s, "retry_strategy": retries}
    if endpoint:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            message = f"s3_endpoint={endpoint!r} should be http://host:port or https://host:port"
            raise SettingError(message)
        options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    return pafs.S3FileSystem(**options)
