"""One command at a time changes a lake: imports count offsets on from its end, and compactions delete files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from driftline.errors import InputError
from history.lake.location import Location

WAIT_S_MAX: Final = 600.0


@contextmanager
def alone(location: Location, wait_s: float = WAIT_S_MAX) -> Iterator[None]:
    """Wait until no other command of this user on this machine changes the lake. Other machines are not seen.

    Raises:
        InputError: another one has been at it for `wait_s` seconds.
    """
    place = f"{location.files.type_name}:{location.path}"
    name = f"driftline-lake-{os.getuid()}-{hashlib.sha256(place.encode()).hexdigest()[:16]}.lock"
    try:
        with FileLock(Path(tempfile.gettempdir()) / name, timeout=wait_s):
            yield
    except Timeout:
        message = f"another import or compaction of {location.path} has not ended for {wait_s:.0f} s"
        raise InputError(message) from None
