"""What the server logs, caught in the test's process."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from serving.logs import JsonLines


@contextmanager
def logged(level: int = logging.INFO) -> Iterator[io.StringIO]:
    """Everything that this process logs meanwhile, of every library, as the server writes it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def audit_lines(text: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.getvalue().splitlines()]
    return [line for line in found if line["logger"] == "driftline.audit"]
