"""Gives a keyed operator, when it opens, its job's id, its keys, and access to the state of each key.

PyFlink shows a function only the state of the current key, and there is none before the first element. So this module
uses Flink's own objects behind PyFlink 2.3's thread mode: private API, used only here (tests/flink/test_subtask.py).
"""

from __future__ import annotations

from typing import Any

from udfs.shards import KEYS

_ROW_OF_ONE = bytes(1)  # Flink's RowSerializer: a byte of flags (inserted, not null), then the field


class Subtask:
    """The subtask of an operator, from the context that `open` was given."""

    def __init__(self, runtime_context: Any) -> None:
        self._context = runtime_context._runtime_context  # noqa: SLF001
        self._backend = runtime_context.get_keyed_state_backend()._keyed_state_backend  # noqa: SLF001

    @property
    def job_id(self) -> str:
        """Flink's id of the job."""
        return str(self._context.getJobInfo().getJobId().toHexString())

    @property
    def keys(self) -> tuple[int, ...]:
        """The possible keys of shards in the subtask's key groups, one for each group."""
        groups = self._backend.getKeyGroupRange()
        return KEYS[groups.getStartKeyGroup() : groups.getEndKeyGroup() + 1]

    def select(self, key: int) -> None:
        """Make this the current key: all states then show its values, as while one of its elements is processed."""
        from pemja import findClass  # noqa: PLC0415  (only in a TaskManager)

        # A Python int would become a Long, which is another key, so Flink's own serializer makes the key.
        view = findClass("org.apache.flink.core.memory.DataInputDeserializer")
        row = self._backend.getKeySerializer().deserialize(view(_ROW_OF_ONE + key.to_bytes(4, "big")))
        self._backend.setCurrentKey(row)
