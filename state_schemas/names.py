"""The names by which a savepoint finds things: of states within the operator, and of operators within the job.

On disk for ever. A name that is missing from a later release loses what stands under it; one that changes, too.
"""

from __future__ import annotations

from typing import Final

SCORE_BLOCKS: Final = "score-blocks"  # the operator of score-events

# Its keyed states, by the shard's key.
USERS: Final = "users"  # map: user id to UserState
SHARD: Final = "shard"  # ShardState
DUE: Final = "due"  # map: time and page to DuePage
DUE_PAGES: Final = "due_pages"  # map: time to the number of its pages
QUIET: Final = "quiet"  # map: time to QuietList; of releases before DuePage, read and never written
