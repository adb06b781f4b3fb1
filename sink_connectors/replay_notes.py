"""What a replay into a namespace was asked for, and how far it has come: a string in Redis, for the commands alone."""

from __future__ import annotations

from typing import cast

from sink_connectors.namespace_client import NamespaceClient
from sink_connectors.score_value import replay_key


class ReplayNotes(NamespaceClient):
    """The note of one namespace."""

    @property
    def _key(self) -> str:
        return replay_key(self._namespace)

    def get(self) -> bytes:
        """Read it; empty where no replay was asked for."""
        return self._call(lambda: cast("bytes | None", self._client.get(self._key))) or b""

    def put(self, note: bytes) -> None:
        """Write it."""
        self._call(lambda: self._client.set(self._key, note))

    def forget(self) -> None:
        """Delete it."""
        self._call(lambda: self._client.delete(self._key))
