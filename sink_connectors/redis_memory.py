"""Whether the Redis that holds the scores may drop them, or is nearly full: what INFO says, judged.

What an eviction costs depends on what the policy may take. Scores carry a time to live, renewed by each write; which
namespace is live, and the progress of the job, carry none:

- `noeviction`: nothing. A full Redis refuses writes, and the job waits.
- `volatile-ttl` takes first who would expire first, which are the users who have been idle longest: a shorter
  `user_ttl_ms`, in effect. It is accepted, and what is gone is counted.
- The other `volatile-` policies take scores of anybody, in silence, until the user's next event.
- `allkeys-` also take the live namespace's name, after which servers read another one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from driftline.metrics import JobGauge

NEARLY_FULL_PERCENT = 85
LOOK_S = 30.0  # time between two looks
_SAFE = {"noeviction", "volatile-ttl"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RedisMemory:
    """What INFO says of memory. Without `limit_bytes` Redis evicts nothing, whatever its policy."""

    used_bytes: int
    limit_bytes: int
    policy: str  # empty where Redis does not say
    evicted_keys: int  # since Redis was started

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> RedisMemory:
        """From the fields of INFO; one that is missing, as in some managed services, counts as nothing."""
        return cls(
            used_bytes=_number(info.get("used_memory")),
            limit_bytes=_number(info.get("maxmemory")),
            policy=str(info.get("maxmemory_policy", "")),
            evicted_keys=_number(info.get("evicted_keys")),
        )

    @property
    def used_percent(self) -> int:
        """Of the limit; 0 where there is none."""
        return 100 * self.used_bytes // self.limit_bytes if self.limit_bytes else 0

    @property
    def dangers(self) -> frozenset[str]:
        """Names of what to warn of."""
        found = {
            "policy": bool(self.limit_bytes and self.policy and self.policy not in _SAFE),
            "evicted": self.evicted_keys > 0,
            "full": self.used_percent >= NEARLY_FULL_PERCENT,
        }
        return frozenset(name for name, is_so in found.items() if is_so)

    @property
    def warning(self) -> str:
        """One line that says what to do; empty where all is well."""
        dangers, warnings = self.dangers, []
        if "policy" in dangers:
            lost = "scores, and which namespace is live," if self.policy.startswith("allkeys") else "scores of any user"
            warnings.append(
                f"maxmemory-policy is {self.policy}, which drops {lost} without a word; set noeviction or volatile-ttl"
            )
        if "evicted" in dangers:
            warnings.append(f"it has evicted {self.evicted_keys:,} keys since it was started")
        if "full" in dangers:
            what = "writes are refused" if self.policy in ("noeviction", "") else "keys are evicted"
            warnings.append(f"{self.used_percent} % of maxmemory are used, and at 100 % {what}; give it more memory")
        return f"Redis: {'. '.join(warnings)}" if warnings else ""


class MemoryWatch:
    """The job's watch over the memory of its Redis: two gauges, and a line in the log when what to warn of changes."""

    def __init__(self, look: Callable[[], RedisMemory | None]) -> None:
        """`look` returns None where Redis does not say, and raises nothing."""
        self._look = look
        self._next_s = float("-inf")
        self._gauges: dict[JobGauge, int] = {}
        self._dangers: frozenset[str] = frozenset()

    def gauges(self, now_s: float) -> dict[JobGauge, int]:
        """As of a look that is no older than LOOK_S; empty before Redis has said anything. Takes a monotonic time."""
        if now_s >= self._next_s:
            self._next_s = now_s + LOOK_S
            memory = self._look()
            if memory is not None:
                self._take(memory)
        return self._gauges

    def _take(self, memory: RedisMemory) -> None:
        self._gauges = {
            JobGauge.REDIS_MEMORY_PERCENT: memory.used_percent,
            JobGauge.REDIS_EVICTED_KEYS: memory.evicted_keys,
        }
        if memory.dangers != self._dangers:
            self._dangers = memory.dangers
            _log.warning("%s", memory.warning or "Redis: what was warned of is over")


def parse_info(text: bytes) -> RedisMemory:
    """From the reply of INFO as it comes over the wire."""
    lines = (line.partition(":") for line in text.decode(errors="replace").splitlines() if not line.startswith("#"))
    return RedisMemory.of({name: value for name, _, value in lines})


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
