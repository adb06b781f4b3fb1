"""An output that nobody needs, as anybody would add one: a stage and its topic in a file, and an entry in STAGES."""

from __future__ import annotations

from driftline.topics import Topic
from jobs.pipeline import StageEntry
from udfs.pipeline import Batch
from udfs.timeline import Timeline

GREETINGS = Topic(role="greetings", name="greetings", value="a word", written_by="score-events")


class Greetings:
    """Greets every user of a block, and again when he went quiet."""

    def run(self, batch: Batch) -> None:
        for user_id, timeline in batch.touched.items():
            batch.result.emit(GREETINGS.role, user_id, b"hello %d" % timeline.accepted)

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        batch.result.emit(GREETINGS.role, user_id, b"bye")
        return False

    def checked(self, batch: Batch) -> None:
        pass


ENTRY = StageEntry(lambda _: Greetings(), writes=(GREETINGS,))
