"""Switching the namespace that servers read: one atomic step, which remembers the way back (decision 31)."""

from __future__ import annotations

from importlib.resources import files
from typing import cast

import redis

from driftline.errors import InputError
from sink_connectors.score_value import DEFAULT_NAMESPACE, LIVE_KEY, PREVIOUS_KEY, job_key, progress_key

_SWITCH = files("sink_connectors").joinpath("switch_live.lua").read_text()
_WHY_NOT = {
    "dropping": "namespace {namespace} is being dropped; `driftline namespaces drop {namespace} --yes` ends that",
    "gone": "namespace {namespace} has been dropped, or was never written; nothing is switched",
    "moved": "namespace {instead_of} is not the live one any more: somebody else has promoted; nothing is switched",
}


def switch(client: redis.Redis, namespace: str, *, instead_of: str = "") -> None:
    """Make `namespace` the live one. Done twice, it is as if it were done once.

    Args:
        client: of the Redis.
        namespace: a name that is checked.
        instead_of: on the way back, the namespace that must be live; then `namespace` must have been written.

    Raises:
        InputError: it is being dropped; on the way back also where it is gone, or another one has become live.
        redis.RedisError: as of any command.
    """
    keys = LIVE_KEY, PREVIOUS_KEY, job_key(namespace), progress_key(namespace)
    reply = cast("bytes", client.eval(_SWITCH, len(keys), *keys, namespace, DEFAULT_NAMESPACE, instead_of))
    if reply:
        raise why_not(reply, namespace, instead_of=instead_of)


def why_not(reply: bytes, namespace: str, *, instead_of: str) -> InputError:
    """Return what to raise for the reply of a script that has not switched."""
    return InputError(_WHY_NOT[reply.decode()].format(namespace=namespace, instead_of=instead_of))


def previous(client: redis.Redis) -> str:
    """The namespace that was live before the last switch; empty where there was none."""
    return (cast("bytes | None", client.get(PREVIOUS_KEY)) or b"").decode()
