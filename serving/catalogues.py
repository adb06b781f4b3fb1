"""Which features are behind stored scores: the catalogues of the namespaces that were asked for, kept in memory."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from cachetools import TTLCache

from driftline.catalogue_message import Catalogue, ServedSet

NAMESPACES_MAX = 64  # whose catalogues are kept
AGE_S_MAX = 60.0  # after which one is read again: a job that begins anew tells of other times since when it counts


class Catalogues:
    """Used by one event loop.

    Args:
        read: reads the catalogue of a namespace; None where there is none.
        clock: seconds.
    """

    def __init__(
        self, read: Callable[[str], Awaitable[bytes | None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._known: TTLCache[str, Catalogue] = TTLCache(NAMESPACES_MAX, AGE_S_MAX, timer=clock)
        self._shipped = Catalogue()

    async def find(self, namespace: str, feature_set: str, declaration: str) -> ServedSet | None:
        """Return the features of stored scores; None where no job has told of them.

        Before its time a catalogue is read again only for scores of a set that is not in it.

        Args:
            namespace: of the scores.
            feature_set: as stored.
            declaration: as stored.

        Raises:
            StoreUnavailable: they are not known here, and Redis does not answer.
        """
        shipped = self._shipped.find(feature_set, declaration)
        if shipped is not None:
            return shipped
        known = self._known.get(namespace)
        found = known.find(feature_set, declaration) if known is not None else None
        if found is None:
            known = self._known[namespace] = Catalogue.parse(await self._read(namespace))
            found = known.find(feature_set, declaration)
        return found
