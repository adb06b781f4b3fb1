"""Heal orders as records of the events topic: how they are told from events, read and written."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from driftline.event.v1.heal_pb2 import HealOrder
from driftline.limits import ID_BYTES_MAX
from udfs.oversized import explain
from udfs.rejects import InvalidEventError, Reason, Stage

# What an order begins with, whatever the format of the topic. The first byte begins neither JSON, nor UTF-8, nor a
# frame of a schema registry; as protobuf it is a field of a type that does not exist. So a release from before there
# were orders refuses one as undecodable, instead of folding it as an event.
MARK: Final = b"\xffdriftline.heal\x01"

_HASH_BYTES: Final = 16
_ID_BYTES: Final = 8
_ROW_BYTES: Final = 24


def is_order(value: bytes | None) -> bool:
    """Whether a record's value is a heal order."""
    return value is not None and value.startswith(MARK)


def order_bytes(order: HealOrder) -> bytes:
    """Return the value of an order's record."""
    return MARK + order.SerializeToString(deterministic=True)


def read_order(key: bytes | None, value: bytes | None, bytes_max: int) -> HealOrder:
    """Return the order of a record's value.

    Args:
        key: the record's key; must be the user's id.
        value: the record's value, for which `is_order` holds.
        bytes_max: the largest value that is read.

    Raises:
        InvalidEventError: the record is poison; carries the reason.
    """
    value = value or b""
    if len(value) > bytes_max:
        raise InvalidEventError(Reason.TOO_LARGE, explain(len(value), len(key or b""), bytes_max), Stage.DECODE)
    try:
        order = HealOrder.FromString(value[len(MARK) :])
    except DecodeError:
        raise InvalidEventError(Reason.UNDECODABLE, "not a HealOrder behind its mark", Stage.DECODE) from None
    user_id = order.user_id.encode()
    if not user_id or len(user_id) > ID_BYTES_MAX or not order.cut_time_ms:
        message = "user_id or cut_time_ms of a heal order is missing or out of range"
        raise InvalidEventError(Reason.MISSING_FIELD, message)
    if key != user_id:
        raise InvalidEventError(Reason.KEY_MISMATCH, "the key of a heal order must be its user_id in UTF-8")
    _check_sizes(order)
    return order


def _check_sizes(order: HealOrder) -> None:
    hashes, times = order.late_hashes, order.late_times_ms
    wrong = len(order.expected) != _HASH_BYTES or len(hashes) % _ID_BYTES or len(times) != len(hashes)
    if wrong or len(order.published) % _ROW_BYTES:
        raise InvalidEventError(Reason.INVALID_VALUE, "the lists in a heal order have lengths that do not fit")


def late_ids(order: HealOrder) -> list[tuple[bytes, int]]:
    """Return the hashes of the ids of an order's late events, and their times in milliseconds."""
    hashes, times = order.late_hashes, order.late_times_ms
    return [
        (hashes[at : at + _ID_BYTES], int.from_bytes(times[at : at + _ID_BYTES], "little", signed=True))
        for at in range(0, len(hashes), _ID_BYTES)
    ]
