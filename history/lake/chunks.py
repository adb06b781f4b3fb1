"""The records of a topic of chunks, which tell a replay what to read from the lake, in which order. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from driftline.errors import InputError
from history.lake.sequence import Turn


class Chunk(NamedTuple):
    """A stretch of offsets of a partition that is read from the lake, `end` excluded."""

    partition: int
    begin: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Chunk:
        """Return the chunk of a record's value. Raises InputError where it is none."""
        try:
            found = json.loads(text)
            return cls(*(int(found[name]) for name in cls._fields))
        except (ValueError, TypeError, KeyError):
            message = f'the topic of chunks has {text[:80]!r}, which is no {{"partition": 0, "begin": 0, "end": 1}}'
            raise InputError(message) from None

    def text(self) -> str:
        """Return the value of its record."""
        return json.dumps(self._asdict())


def records_of(turns: Iterable[Turn]) -> Iterator[tuple[str, int]]:
    """Yield the value and the timestamp of each record, in milliseconds; the timestamp is the replay's watermark.

    It is at least 1: Flink's watermark is one below the timestamp.
    """
    for turn in turns:
        stretch = turn.stretch
        yield Chunk(stretch.partition, stretch.begin, stretch.end).text(), max(1, turn.watermark_ms)
