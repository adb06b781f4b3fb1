"""A throw-away server that speaks S3 (versitygw over a temporary folder), on a free port, with one bucket.

It is built with Go once a machine, into the cache of the load tools; `require_s3_server` skips a test where there is
no Go. Metadata lie beside the files, so no extended attributes are needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil
import pytest
from filelock import FileLock

from benchmarks.load_tools import CACHE, tool
from history.lake.location import Location, locate
from tests.redis_server import free_port, wait_until

VERSITYGW = ("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0")
BUCKET = "lake"
REGION = "us-east-1"
BUILD_S_MAX = 900  # another process may be building it
START_S = 20.0
_HEALTH = "/health"
_NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")


def s3_executable() -> Path:
    """The server; builds it where it is missing. Raises StackError where that cannot be."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "versitygw.lock", timeout=BUILD_S_MAX):
        return tool(*VERSITYGW)


def require_s3_server() -> Path:
    """The server; skips the test without Go. A build that fails is an error."""
    name, _, version = VERSITYGW
    if shutil.which("go") is None and not (CACHE / f"{name}-{version}" / name).exists():
        pytest.skip("the S3 server of this test is built with Go, which is missing")
    return s3_executable()


class S3Server:
    """Starts on entering, with an empty bucket; nothing of it outlives it.

    Attributes:
        endpoint: its URL, for `s3_endpoint`.
        url: of the bucket, for `lake_url`; append a path for a place of one's own.
        env: credentials and region, as clients take them from the environment.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.url = f"s3://{BUCKET}"
        self.env = dict(zip(_NAMES, ("driftline", "driftline-secret", REGION), strict=True))
        self._folder = Path(tempfile.mkdtemp(prefix="driftline-s3-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> S3Server:
        """Start it, make the bucket, and put the credentials into this process's environment."""
        executable = s3_executable()
        self._before = {name: os.environ.get(name) for name in self.env}
        os.environ.update(self.env)
        try:
            self._start(executable)
            self._make_bucket()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def pause(self) -> None:
        """Let it answer nobody, as one that is overloaded or cut off."""
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        process.suspend()
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED)

    def resume(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        psutil.Process(self._process.pid).resume()

    def location(self, path: str) -> Location:
        """A place in the bucket."""
        return locate(f"{self.url}/{path}", self.endpoint)

    def _start(self, executable: Path) -> None:
        for name in ("buckets", "metadata"):
            (self._folder / name).mkdir()
        command = [str(executable), "--port", f"127.0.0.1:{self.port}", "--region", REGION, "--health", _HEALTH]
        command += ["--quiet", "posix", "--sidecar", str(self._folder / "metadata"), str(self._folder / "buckets")]
        login = {"ROOT_ACCESS_KEY": self.env[_NAMES[0]], "ROOT_SECRET_KEY": self.env[_NAMES[1]]}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | login, cwd=self._folder
            )
        wait_until(self._answers, timeout_s=START_S)

    def _make_bucket(self) -> None:
        import pyarrow.fs as pafs  # noqa: PLC0415  (heavy, and of this alone)

        client = pafs.S3FileSystem(
            endpoint_override=self.endpoint.partition("://")[2], scheme="http", allow_bucket_creation=True
        )
        client.create_dir(BUCKET)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with (
            suppress(OSError),
            urllib.request.urlopen(  # noqa: S310  (http)
                f"{self.endpoint}{_HEALTH}", timeout=5
            ) as reply,
        ):
            return int(reply.status) == 200
        return False

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(self._folder, ignore_errors=True)
