"""Bounds the share of each client in what all clients use, so that none can take all of it."""

from __future__ import annotations

import grpc

from serving.calls import CLIENT
from serving.middleware import Context
from serving.requests import Refused


def peer_of(context: Context) -> str:
    """The caller's address without its port: a client opens as many connections as it likes."""
    peer: str = context.peer()
    return peer.rpartition(":")[0]


def client_of(context: Context) -> str:
    """Whose call this is: the client that access control knows, else the address."""
    return CLIENT.get() or peer_of(context)


class Shares:
    """Counts what each client uses. Used by one event loop."""

    def __init__(self, what: str, each_max: int, setting: str) -> None:
        self._what = what
        self._each_max = each_max
        self._setting = setting
        self._taken: dict[str, int] = {}

    def take(self, client: str, amount: int = 1) -> None:
        """Count `amount` more. Raises Refused beyond the bound, and counts nothing then."""
        taken = self._taken.get(client, 0) + amount
        if taken > self._each_max:
            message = f"one client has at most {self._each_max:,} {self._what} of a worker ({self._setting})"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self._taken[client] = taken

    def give_back(self, client: str, amount: int = 1) -> None:
        """Undo `take`."""
        left = self._taken[client] - amount
        if left:
            self._taken[client] = left
        else:
            del self._taken[client]  # else every client that ever called would be remembered
