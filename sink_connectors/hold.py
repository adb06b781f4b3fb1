"""A hold on a namespace: for a moment no write into it begins, so that another one can be made live in its place.

A job whose namespace is held waits, as it does for a busy Redis; nothing fails and nothing is counted. A hold ends by
itself HOLD_MS after it was last renewed.
"""

from __future__ import annotations

import uuid
from importlib.resources import files
from typing import Final, cast

import redis

from driftline.errors import InputError
from sink_connectors.live_namespace import why_not
from sink_connectors.namespace_client import NamespaceClient
from sink_connectors.score_value import DEFAULT_NAMESPACE, LIVE_KEY, PREVIOUS_KEY, hold_key, job_key

HOLD_MS: Final = 2_000  # longer than a server takes to see which namespace is live, which it asks every second
_HOLD = files("sink_connectors").joinpath("hold_namespace.lua").read_text()
_LIFT = files("sink_connectors").joinpath("lift_hold.lua").read_text()
_SWITCH = files("sink_connectors").joinpath("switch_held.lua").read_text()
_LAPSED = b"lapsed"


class NamespaceHold(NamespaceClient):
    """A hold on one namespace, by one holder. Every call raises ServiceUnavailable without Redis."""

    def __init__(self, client: redis.Redis, *, name: str, namespace: str, retry_s: float) -> None:
        super().__init__(client, name=name, namespace=namespace, retry_s=retry_s)
        self._holder = uuid.uuid4().hex

    def renew(self) -> None:
        """Take the hold, or hold on for HOLD_MS from now. Raises InputError where another command has it."""
        key = hold_key(self._namespace)
        if not self._call(lambda: self._client.eval(_HOLD, 1, key, self._holder, str(HOLD_MS))):
            message = f"namespace {self._namespace} is held by another promotion; wait for it"
            raise InputError(message)

    def lift(self) -> None:
        """End it now."""
        self._call(lambda: self._client.eval(_LIFT, 1, hold_key(self._namespace), self._holder))

    def switch(self, to: str) -> bool:
        """Make another namespace live in place of this one, in one step; the hold then stays for HOLD_MS.

        Returns:
            Whether it was done. Not where the hold has ended meanwhile: what was compared before may have changed.

        Raises:
            InputError: `to` is being dropped, or this namespace is not the live one any more.
        """
        keys = LIVE_KEY, PREVIOUS_KEY, job_key(to), hold_key(self._namespace)
        arguments = to, self._namespace, DEFAULT_NAMESPACE, self._holder, str(HOLD_MS)
        reply = self._call(lambda: cast("bytes", self._client.eval(_SWITCH, len(keys), *keys, *arguments)))
        if reply and reply != _LAPSED:
            raise why_not(reply, to, instead_of=self._namespace)
        return not reply
