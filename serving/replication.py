"""Whether the Redis that a name leads to may be read: a master, or a replica that still hears from its master."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import redis

from serving.link import pack
from serving.logs import log_event
from sink_connectors.redis_errors import is_transient

log = logging.getLogger(__name__)


class Replication:
    """What the Redis in use says of its replication.

    After a failover behind a DNS name, a virtual IP or a proxy, connections that exist stay with the old master. It
    lives on as a replica, answers every read, and may never again hear what the job writes.
    """

    command = pack("INFO", "replication")

    def __init__(self, *, cut_off_s_max: float, clock: Callable[[], float] = time.monotonic) -> None:
        """A replica may be read until its link to the master has been down for `cut_off_s_max` seconds."""
        self.was_demoted = False  # between the newest look and the one before it, from master to replica
        self._is_replica: bool | None = None  # None where Redis does not say
        self._cut_off_s_max = cut_off_s_max
        self._clock = clock
        self._down_since_s: float | None = None
        self._may_ask = True

    def examine(self, reply: Any) -> None:
        """Take note of the reply to `command`. Raises redis.ConnectionError of a replica that is cut off."""
        if isinstance(reply, Exception):
            self._unknown(reply)
            return
        about = dict(line.partition(":")[::2] for line in bytes(reply).decode("utf-8", "replace").splitlines())
        is_replica = about.get("role") == "slave"
        self.was_demoted = is_replica and self._is_replica is False
        self._is_replica = is_replica
        down_s = self._down_s(about)
        if down_s is not None and down_s >= self._cut_off_s_max:
            master = f"{about.get('master_host', '?')}:{about.get('master_port', '?')}"
            message = f"it is a replica, and its link to its master {master} has been down for {down_s:.0f} s"
            raise redis.ConnectionError(message)

    def _down_s(self, about: dict[str, str]) -> float | None:
        """How long the link is down: as Redis says, or, where it was never up, as seen from here over connections."""
        if not self._is_replica or about.get("master_link_status") != "down":
            self._down_since_s = None
            return None
        now_s = self._clock()
        if self._down_since_s is None:
            self._down_since_s = now_s
        return max(now_s - self._down_since_s, float(about.get("master_link_down_since_seconds", -1)))

    def _unknown(self, error: Exception) -> None:
        """A user without the right to ask, or a proxy that does not know the command, is no reason not to read."""
        self.was_demoted, self._is_replica = False, None
        if not is_transient(error) and self._may_ask:
            self._may_ask = False
            next_move = "allow the user +info, else a failover behind a name goes unnoticed"
            log_event(log, "replication unknown", level=logging.WARNING, reason=str(error), next_move=next_move)
