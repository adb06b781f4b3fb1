"""Looks at the records of a lake for those that a job has not processed, as console/progress.py does at the topic."""

from __future__ import annotations

import time

from console.accounting import Account
from console.replaying.note import LakePart
from history.lake.location import locate
from history.lake.reading import STRETCH_OFFSETS, Lake


def open_lake(lake: LakePart, topic: str) -> Lake:
    """Open the lake of a replay. Raises InputError where there is none, SettingError on a bad URL."""
    return Lake(locate(lake.url, lake.s3_endpoint).below(topic), lake.since, lake.until)


class LakeRecords:
    """The records of a lake, a stretch at a time."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def first_open(self, account: Account, partition: int, begin: int, end: int, deadline_s: float) -> tuple[int, bool]:
        """Return the first offset from `begin` whose record is not processed, and True; else how far was read, False.

        Args:
            account: says what is processed.
            partition: to be looked at.
            begin: the first offset.
            end: the one behind the last.
            deadline_s: by time.monotonic: then it is enough for this time, but for one stretch.
        """
        reached = begin
        while reached < end:
            until = min(end, (reached // STRETCH_OFFSETS + 1) * STRETCH_OFFSETS)
            rows = self._lake.read(partition, reached, until, ["offset", "key"])
            for offset, key in zip(rows.column("offset").to_pylist(), rows.column("key").to_pylist(), strict=True):
                if not account.is_processed(partition, offset, key):
                    return int(offset), True
            reached = until
            if time.monotonic() > deadline_s:
                break
        return reached, False
