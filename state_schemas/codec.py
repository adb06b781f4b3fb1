"""Bytes of the keyed state: one version byte, then a protobuf message.

Flink stores Python state as opaque bytes and checks nothing when a savepoint is restored, so the bytes carry a version
of their own. A change of format that protobuf cannot express gets the next version byte; readers of all older versions
stay for ever (tests/golden holds bytes of each, which are never regenerated).
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

VERSION_1 = 1
PREFIX = bytes([VERSION_1])  # in front of the states that this release writes

M = TypeVar("M", bound=Message)


class StateFormatError(Exception):
    """State bytes have a version that this code does not know: a newer release wrote them."""


def encode(message: Message) -> bytes:
    """Return the current version byte and the message's bytes."""
    return PREFIX + message.SerializeToString(deterministic=True)


def decode(data: bytes, kind: type[M]) -> M:
    """Decode bytes that `encode` of this release or an older one wrote.

    Raises:
        StateFormatError: unknown version byte.
    """
    require_version(data, kind)
    return kind.FromString(data[1:])


def require_version(data: bytes, kind: type[Message]) -> None:
    """Refuse bytes of a version that this release does not know.

    Raises:
        StateFormatError: unknown version byte.
    """
    if not data.startswith(PREFIX):
        why = f"{kind.__name__}: state version {data[0] if data else 'missing'}; this release reads {VERSION_1}"
        raise StateFormatError(why)
