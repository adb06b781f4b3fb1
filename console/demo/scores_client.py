"""What the demo asks of the score server."""

from __future__ import annotations

from collections.abc import Sequence

from driftline import client
from driftline.client.messages import scores_message
from driftline.serving.v1.scores_pb2 import UserScores

DEADLINE_S = 2.0
_AT_AGES = ("user_id", "scores", "segments", "as_of_event_time_ms", "age_s", "as_of_event")


class ScoresClient:
    """Threads may share it. Every call raises ServiceUnavailable when the server gives no answer."""

    def __init__(self, address: str) -> None:
        self._client = client.ScoresClient(address, timeout_s=DEADLINE_S)

    def as_of_ms(self, user_id: str) -> int:
        """The event time that the user's scores are as of; 0 for a user without scores."""
        try:
            return self._client.get(user_id).as_of_event_time_ms
        except client.NotFoundError:
            return 0

    def scores(self, user_ids: Sequence[str]) -> list[UserScores]:
        """The scores of those of the users who have any, in this order."""
        return [scores_message(result.scores) for result in self._client.batch(user_ids) if result.scores is not None]

    def with_as_of_event(self, user_ids: Sequence[str]) -> list[UserScores]:
        """The same, with what scores with an age were as of the newest event; of fields, what the mask names."""
        found = self._client.batch(user_ids, fields=_AT_AGES)
        return [scores_message(result.scores) for result in found if result.scores is not None]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
