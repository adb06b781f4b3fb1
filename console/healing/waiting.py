"""Which records of the events topic a job has processed, by what its shards write to Redis."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, closing

from console.accounting import Account
from console.extents import connect_consumer, extents_of, partitions_of
from console.healing.run import Sent
from console.settings import StackSettings
from sink_connectors.score_store import RedisScoreStore

_RETRY_S = 5.0


class Processed:
    """Looks at how far a job is; `look`, then ask for single records.

    Raises:
        ServiceUnavailable: Kafka or Redis cannot be reached.
        InputError: the topic does not exist.
    """

    def __init__(self, settings: StackSettings, topic: str, redis_url: str, namespace: str) -> None:
        self._account: Account | None = None
        with ExitStack() as opened:
            store = RedisScoreStore.connect(redis_url, namespace=namespace, retry_s=_RETRY_S)
            self._store = opened.enter_context(closing(store))
            self._consumer = opened.enter_context(closing(connect_consumer(settings)))
            self._partitions = partitions_of(self._consumer, topic)
            self.close = opened.pop_all().close

    def look(self, sent: Iterable[Sent]) -> bool:
        """Look now; returns whether all of these are processed."""
        reports, skipped = self._store.read_reports(), self._store.read_skipped()
        self._account = Account.of(extents_of(self._consumer, self._partitions), reports, skipped) if reports else None
        return all(self.has(one) for one in sent)

    def has(self, one: Sent) -> bool:
        """Whether a record was processed at the last look; not, where that is not known."""
        partition, offset = one.place
        return self._account is not None and self._account.is_processed(partition, offset, one.key)
