"""What goes to the lists of segments with the scores of a block."""

from __future__ import annotations

from collections.abc import Sequence

from sink_connectors.segment_lists import Rows, SegmentWrite
from udfs.results import BlockResult


def segment_write(
    shard: int, generation: int, segments: Sequence[str], epoch: int, result: BlockResult
) -> SegmentWrite | None:
    """Return the memberships of the users that are scored; None without segments."""
    if not segments:
        return None
    rows = Rows(generation, segments, epoch)
    return SegmentWrite(shard, segments, [rows.encode(result.members[scored.user_id]) for scored in result.scored])
