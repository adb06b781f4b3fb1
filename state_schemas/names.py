"""The names in savepoints: of keyed states within the operator, and of operators within the job.

They never change: if a later release drops or changes a name, the state that is stored under it is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCORE_BLOCKS: Final = "score-blocks"  # the operator of score-events
CHUNKS: Final = "chunks"  # its source where records come from the lake; its position in the topic of chunks
READ_LAKE: Final = "read-lake"  # what reads them; without state
ARCHIVE_BLOCKS: Final = "archive-blocks"  # the operator of archive-events; it has no state

# The keyed states of score-blocks, by the shard's key.
USERS: Final = "users"  # map: user id to UserState
SHARD: Final = "shard"  # ShardState
DUE: Final = "due"  # map: time and number of a page to DuePage
DUE_PAGES: Final = "due_pages"  # map: time to the number of its pages
QUIET: Final = "quiet"  # map: time to QuietList; older releases wrote it instead of DuePage, now only read

# The uids of operators that the SQL planner makes, where they are not `<role>-<kind>` (jobs/flink/uids.py): the planner
# gave these in the first releases, whose savepoints need them. Nothing is ever added.
FIRST_UIDS: Final[Mapping[str, str]] = {
    "input-kafka": "1_kafka",
    "input-calc-2": "2_calc",
    "input-exchange": "3_exchange",
    "input-window-aggregate": "4_window-aggregate",
    "input-calc": "5_calc",
    "input-constraint-validator": "6_constraint-validator",
    "input-external-datastream": "6_external-datastream",
    "output-external-datastream": "7_external-datastream",
    "scores-correlate": "8_correlate",
    "scores-calc": "9_calc",
    "scores-sink": "10_sink",
    "sessions-correlate": "11_correlate",
    "sessions-calc": "12_calc",
    "sessions-sink": "13_sink",
    "late-external-datastream": "14_external-datastream",
    "late-sink": "15_sink",
    "dead_letter-external-datastream": "16_external-datastream",
    "dead_letter-sink": "17_sink",
}
