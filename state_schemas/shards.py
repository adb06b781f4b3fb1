"""Writes the state of a shard with every block: what a job never changes while it runs is encoded only once."""

from __future__ import annotations

from typing import Final

from driftline.state.v1.state_pb2 import ShardState
from state_schemas import codec

_LASTING: Final = ("made_with", "layouts", "features", "feature_since_ms")  # a job sets them before its first block


class ShardWriter:
    """The state of a shard, in two parts whose bytes in a row are its message.

    Args:
        state: of the shard; what lasts is taken out of it.

    Attributes:
        state: what blocks change.
    """

    def __init__(self, state: ShardState) -> None:
        lasting = ShardState()
        lasting.CopyFrom(state)
        for field in ShardState.DESCRIPTOR.fields:
            (state if field.name in _LASTING else lasting).ClearField(field.name)
        self.state = state
        self._lasting = lasting.SerializeToString(deterministic=True)

    def encode(self) -> bytes:
        """Return the bytes of the whole state."""
        return codec.encode(self.state) + self._lasting
