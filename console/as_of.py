"""As of when stored scores are read: as of each user's newest event, or as they are served."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driftline.serving.v1.scores_pb2 import UserScores


class AsOf(StrEnum):
    """Which of the two a command reads."""

    EVENT = "event"  # as of the newest event: what follows from the events alone, so that runs can be compared
    NOW = "now"  # what is served: of a user who has been silent, as of an age


def to_event(message: UserScores) -> None:
    """Make scores with an age what they were as of the newest event, features included, and forget the age.

    Args:
        message: with `as_of_event`; one without an age stays as it is.
    """
    message.ClearField("age_s")
    if not message.HasField("as_of_event"):
        return
    for field in message.as_of_event.DESCRIPTOR.fields:
        message.ClearField(field.name)
        getattr(message, field.name).MergeFrom(getattr(message.as_of_event, field.name))
    message.ClearField("as_of_event")


def evaluated_at_ms(message: UserScores) -> int:
    """The time that the scores of a message are evaluated at."""
    return message.as_of_event_time_ms + 1000 * message.age_s
