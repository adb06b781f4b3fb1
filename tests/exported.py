"""Scores that the core has made as `driftline export-scores` prints them."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict

from console.cli.scores import as_json
from driftline.score_message import split_features
from driftline.serving.v1.scores_pb2 import UserScores


def exported(scores: bytes | None) -> str:
    """A line, without its end, for a user's scores as of the newest event."""
    message = UserScores.FromString(split_features(scores or b"")[1])
    for name in ("written_at_ms", "generation", "lists_digest"):
        message.ClearField(name)
    return as_json(MessageToDict(message))
