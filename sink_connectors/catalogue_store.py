"""Where a namespace's catalogue is kept: one string in Redis, which the job writes and servers and commands read."""

from __future__ import annotations

from typing import cast

from driftline.catalogue_message import Catalogue, with_earlier
from sink_connectors.namespace_client import NamespaceClient
from sink_connectors.score_value import catalogue_key


class CatalogueStore(NamespaceClient):
    """The catalogue of one namespace."""

    @property
    def _key(self) -> str:
        return catalogue_key(self._namespace)

    def put(self, document: bytes) -> None:
        """Write what `catalogue_of` made; what is there already stays as it is.

        The features of earlier declarations are kept. Done by several subtasks, also at once, it is as if done once:
        all of a job write the same.
        """

        def put() -> None:
            before = cast("bytes | None", self._client.get(self._key))
            made = with_earlier(document, before)
            if made != before:
                self._client.set(self._key, made)

        self._call(put)

    def get(self) -> Catalogue:
        """Read it; empty where no job has written it, as none of an older release has."""
        return Catalogue.parse(self._call(lambda: cast("bytes | None", self._client.get(self._key))))
