"""The folder of the local stack: its layout, its lock, and what may be deleted from it.

Each data folder carries a marker file from the moment the stack makes it. A folder without one is someone else's: the
stack neither uses nor deletes it. Data folders hold what users did and what the services log, so they are their owner's
alone, also those that an earlier release made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from driftline.errors import StackError

MARKER = ".driftline-data"
DATA_FOLDERS = ("kafka", "redis", "flink", "logs", "run")
PRIVATE = 0o700
LOCK_WAIT_S = 300  # a first `up` may be downloading Kafka


class Home:
    """`DRIFTLINE_HOME` as absolute paths; folders are made when they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def run(self) -> Path:
        """Folder of the process records; it need not exist."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """Folder of the log files; it need not exist."""
        return self.path / "logs"

    def folder(self, name: str) -> Path:
        """Make the data folder `name` with its marker. Raises StackError when it exists and is not ours."""
        folder = self.path / name
        try:
            self._make()
            folder.mkdir(PRIVATE, exist_ok=True)
            if not (folder / MARKER).exists():
                if any(folder.iterdir()):
                    message = f"{folder} exists and was not made by driftline; set DRIFTLINE_HOME to another folder"
                    raise StackError(message)
                (folder / MARKER).write_text("Made by driftline up; driftline down --purge deletes this folder.\n")
            folder.chmod(PRIVATE)
        except OSError as error:
            message = f"cannot use DRIFTLINE_HOME {self.path}: {error.strerror} ({error.filename})"
            raise StackError(message) from None
        return folder

    def lock(self) -> FileLock:
        """One `up` or `down` of this home at a time. Blocks up to `LOCK_WAIT_S`, then raises StackError."""
        try:
            self._make()
            lock = FileLock(self.path / ".lock", timeout=LOCK_WAIT_S)
            lock.acquire()
        except Timeout:
            message = f"another driftline command has been starting or stopping the stack in {self.path} for minutes"
            raise StackError(message) from None
        except OSError as error:
            message = f"cannot use DRIFTLINE_HOME {self.path}: {error.strerror} ({error.filename})"
            raise StackError(message) from None
        return lock

    def _make(self) -> None:
        """The home itself; one that exists keeps its permissions, for it may be shared for the models' sake."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(PRIVATE, exist_ok=True)

    def purge(self) -> list[Path]:
        """Delete the data folders, all or none, and return them. Raises StackError when one is not ours."""
        folders = [self.path / name for name in DATA_FOLDERS if (self.path / name).exists()]
        for folder in folders:
            if not (folder / MARKER).is_file():
                message = f"{folder} carries no {MARKER} file, so driftline did not make it: not deleting anything"
                raise StackError(message)
        for folder in folders:
            shutil.rmtree(folder)
        return folders
