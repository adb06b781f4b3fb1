"""Where the next run of healing begins on the late topic: a hash in Redis, a field a partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from sink_connectors.namespace_client import NamespaceClient
from sink_connectors.score_value import heal_key


class HealPositions(NamespaceClient):
    """The positions of one namespace."""

    @property
    def _key(self) -> str:
        return heal_key(self._namespace)

    def get(self, topic: str) -> dict[int, int]:
        """The next offset of each partition of the late topic; empty before the first run, or of another topic."""
        found = self._call(lambda: cast("dict[bytes, bytes]", self._client.hgetall(self._key)))
        if found.pop(b"topic", b"").decode() != topic:
            return {}
        return {int(partition): int(offset) for partition, offset in found.items()}

    def put(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Remember them."""
        fields: dict[str, str | int] = {"topic": topic, **{str(one): offset for one, offset in offsets.items()}}

        def put() -> None:
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.delete(self._key)
                pipeline.hset(self._key, mapping=fields)
                pipeline.execute()

        self._call(put)
