"""Outputs as rows for the JVM: one row for a block, with a map of key to value for each channel.

Passing a map to the JVM costs about as much as passing one entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyflink.common import Row, Types, typeinfo
from pyflink.datastream import OutputTag

from udfs.rejects import Reject
from udfs.results import Output

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
_HEADERS = Types.MAP(Types.STRING(), _BYTES)
REJECT_TYPE = Types.ROW_NAMED(["k", "v", "headers"], [_BYTES, _BYTES, _HEADERS])
DEAD_LETTERS = OutputTag("dead-letters", REJECT_TYPE)
LATE_EVENTS = OutputTag("late", REJECT_TYPE)


def results_type(channels: Sequence[str]) -> typeinfo.RowTypeInfo:
    """Return the type of the rows of these channels."""
    return Types.ROW_NAMED(list(channels), [Types.MAP(Types.STRING(), _BYTES)] * len(channels))


def rows_of(outputs: Mapping[str, Sequence[Output]], channels: Sequence[str]) -> list[Row]:
    """Return rows that hold all outputs; a second output with the same key on a channel comes in the next row.

    The entries of one row reach the topic in the order of their hashes, before those of the next row.

    Raises:
        KeyError: an output is for a channel that has no column; its stage does not name the topic in its entry.
    """
    if not outputs.keys() <= set(channels):
        message = f"outputs for {sorted(outputs)}, but the stages' entries name {list(channels)} (jobs/pipeline.py)"
        raise KeyError(message)
    columns = [_maps(outputs[channel]) if channel in outputs else [] for channel in channels]
    depth = max(map(len, columns), default=0)
    return [Row(*(maps[n] if n < len(maps) else {} for maps in columns)) for n in range(depth)]


def _maps(outputs: Sequence[Output]) -> list[dict[str, bytes | None]]:
    newest = dict(outputs)
    if len(newest) == len(outputs):
        return [newest]
    maps: list[dict[str, bytes | None]] = []
    seen: dict[str, int] = {}
    for key, value in outputs:
        number = seen.get(key, 0)
        seen[key] = number + 1
        if number == len(maps):
            maps.append({})
        maps[number][key] = value
    return maps


def reject_row(rejected: Reject) -> Row:
    """Return the row of a rejected record."""
    return Row(rejected.key, rejected.value, rejected.headers)
