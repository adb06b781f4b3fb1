"""Bytes of the keyed state: one version byte, then a protobuf message.

Flink keeps Python state as opaque bytes and checks nothing when a savepoint is restored, so the version is ours to
carry. A format that protobuf's own evolution cannot express gets the next version byte; the readers of all older ones
stay for ever (tests/golden holds bytes of each, never to be regenerated).
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

VERSION_1 = 1
PREFIX = bytes([VERSION_1])  # of what this release writes

M = TypeVar("M", bound=Message)


class StateFormatError(Exception):
    """State bytes carry a version that this code does not know: they were written by a newer release."""


def encode(message: Message) -> bytes:
    """Return the message's bytes behind the current version."""
    return PREFIX + message.SerializeToString(deterministic=True)


def decode(data: bytes, kind: type[M]) -> M:
    """Read what `encode` wrote, in this release or an older one.

    Raises:
        StateFormatError: unknown version byte.
    """
    if data[:1] != PREFIX:
        text = f"{kind.__name__}: state version {data[0] if data else 'missing'}; this release reads {VERSION_1}"
        raise StateFormatError(text)
    return kind.FromString(data[1:])
