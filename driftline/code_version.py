"""Tells whether a TaskManager runs the code that a job was submitted with.

In thread mode all jobs of a TaskManager share one Python interpreter, and it keeps every module it has imported: a job
submitted with newer code would silently run the older one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_SOURCES = (
    "udfs/**/*.py",
    "state_schemas/**/*.py",
    "sink_connectors/**/*.py",
    "driftline/*.py",
    "driftline/settings/*.py",
)  # what an operator uses


class OtherCodeError(Exception):
    """The TaskManager has imported other code than the job was submitted with: restart it."""


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for file in sorted(_ROOT.glob(pattern)):
            digest.update(str(file.relative_to(_ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


CODE_VERSION = _fingerprint()  # of the files as they were when this process imported them


def require(submitted: str) -> None:
    """Compare the submitting process's CODE_VERSION with this one's.

    Raises:
        OtherCodeError: they differ.
    """
    if submitted != CODE_VERSION:
        message = (
            f"this TaskManager has loaded Driftline's code {CODE_VERSION}, the job was submitted with {submitted}; "
            "restart the TaskManagers (locally: driftline down, then driftline up)"
        )
        raise OtherCodeError(message)
