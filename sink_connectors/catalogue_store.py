"""Where a namespace's catalogue is kept: one string in Redis, which the job writes and servers and commands read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import redis

from driftline.catalogue_message import Catalogue, with_earlier
from driftline.errors import SettingError
from driftline.redis_url import without_password
from sink_connectors.redis_address import open_client
from sink_connectors.redis_errors import unavailable
from sink_connectors.score_store import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, RETRY_S, retrying
from sink_connectors.score_value import DEFAULT_NAMESPACE, catalogue_key, check_namespace

T = TypeVar("T")


class CatalogueStore:
    """The catalogue of one namespace. Every call raises ServiceUnavailable after `retry_s` without Redis."""

    def __init__(self, client: redis.Redis, *, name: str, namespace: str, retry_s: float) -> None:
        self._client = client
        self._name = name
        self._key = catalogue_key(namespace)
        self._retrying = retrying(retry_s)

    @classmethod
    def connect(cls, url: str, *, namespace: str = DEFAULT_NAMESPACE, retry_s: float = RETRY_S) -> CatalogueStore:
        """A store of the Redis at `url`; no connection is made yet. Raises SettingError on a bad argument."""
        try:
            check_namespace(namespace)
        except ValueError as error:
            raise SettingError(str(error)) from None
        client = open_client(url, connect_timeout_s=CONNECT_TIMEOUT_S, read_timeout_s=READ_TIMEOUT_S)
        return cls(client, name=without_password(url), namespace=namespace, retry_s=retry_s)

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

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, action: Callable[[], T]) -> T:
        try:
            return self._retrying(action)
        except redis.RedisError as error:
            raise unavailable(error, self._name) or error from None
