"""Folds the records of some users as far as the job has processed them. Pure, but for what is read."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from console.auditing.positions import Positions
from console.replaying.folding import Folding
from driftline.state.v1.state_pb2 import ShardState
from history.lake.shards import block_of, bounded, shards_of
from jobs.bundle import Bound
from jobs.settings import ScoreEventsSettings
from udfs.shards import shard_keys, shard_of
from udfs.timeline import Timeline


class Recomputing:
    """The timelines of some users. `read` what follows, in the order of offsets, as often as the job has moved on.

    Args:
        settings: of the job, with its number of shards.
        bound: its declarations and mapping.
        keys: of the users.
    """

    def __init__(self, settings: ScoreEventsSettings, bound: Bound, keys: Collection[bytes]) -> None:
        shards = shard_keys(settings.shards)
        self._settings = settings
        self._keys = pa.array(sorted(keys), pa.binary())
        self._wanted = {shard_of(key, settings.shards) for key in keys}
        own = bound._replace(only_keys=frozenset(keys))
        self._folding = Folding(settings, own, {}, {key: ShardState(generation=1) for key in shards})
        self._read: dict[tuple[int, int], int] = {}  # by shard and partition: all before is folded

    def read(self, partition: int, table: pa.Table, positions: Positions, watermark_ms: int, now_ms: int) -> None:
        """Fold records of a partition that the job has processed, as far as they have not been folded.

        Args:
            partition: of the records.
            table: the columns of history.lake.shards.COLUMNS, by offset, each record once.
            positions: what the job has processed.
            watermark_ms: no record of these or later ones is older, as far as is known.
            now_ms: wall-clock time.
        """
        if not table.num_rows:
            return
        table = bounded(table, self._settings.event_bytes_max)
        of_row = shards_of(table.column("key"), self._settings.shards)
        mine = pc.is_in(table.column("key"), self._keys).to_numpy()
        offsets, times_ms = table.column("offset").to_numpy(), table.column("record_time_ms").to_numpy()
        for shard in self._wanted:
            since = self._read.get((shard, partition), 0)
            rows = np.flatnonzero(of_row == shard)
            rows = rows[positions.processed(shard, partition, offsets[rows], since)]
            if not len(rows):
                continue
            self._read[shard, partition] = int(offsets[rows[-1]]) + 1
            rows = rows[with_clocks(mine[rows], times_ms[rows])]
            block = block_of(table.take(pa.array(rows)), partition)
            for _ in self._folding.take(shard, block, watermark_ms, now_ms):
                pass

    def timeline(self, user_id: str) -> Timeline | None:
        """Return a user's timeline as of what has been read; None where no event of the user was accepted."""
        return self._folding.timeline(shard_of(user_id.encode(), self._settings.shards), user_id)


def with_clocks(mine: NDArray[np.bool_], times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which records have to be offered: one's own, and before each the one that has set the partition's clock.

    What is late depends on the newest timestamp of all records before it, of whomever. The last record that has raised
    it stands for all of them. The newest of all is kept, for the records that follow.

    Args:
        mine: whether a record is of a user who is looked at.
        times_ms: the records' timestamps.
    """
    number = np.arange(len(times_ms))
    newest_ms = np.maximum.accumulate(times_ms)
    raises = np.ones(len(times_ms), np.bool_)
    raises[1:] = newest_ms[1:] > newest_ms[:-1]
    last_raise = np.maximum.accumulate(np.where(raises, number, 0))
    kept = mine.copy()
    kept[last_raise[number[mine]]] = True
    kept[last_raise[-1:]] = True
    found: NDArray[np.int64] = np.flatnonzero(kept)
    return found
