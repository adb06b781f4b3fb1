"""Structured logs: every line is one JSON object with level, time, logger, event and the event's own fields."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

_FIELDS = "fields"  # the attribute of a LogRecord that carries them


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON. What other libraries log has their message as its event."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end. A field never replaces one of the four that every line has."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "level": record.levelname,
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line = getattr(record, _FIELDS, {}) | line
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(*, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Make all loggers of this process write JSON lines to `stream`, by default stderr."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def log_event(log: logging.Logger, event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log one event, named in a word or two, with its fields. Fields must hold no user id: see UserIds in audit.py."""
    log.log(level, "%s", event, extra={_FIELDS: fields})
