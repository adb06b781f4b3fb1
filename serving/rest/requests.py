"""What a request asks for. Everything raises BadRequestError for what cannot be understood."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from driftline.client.calls import Metadata
from driftline.limits import BATCH_IDS_MAX, MASK_PATHS_MAX
from driftline.serving.v1.scores_pb2 import UserScores
from serving.rest.problems import BadRequestError

PASSED_ON = ("authorization", "traceparent", "tracestate")  # headers that are the gRPC server's business
# Sent for a caller without a token: the gateway's own certificate must not give its rights to every caller.
NO_TOKEN = "Bearer"  # noqa: S105  (that it is none is the point)
_ID_SEGMENT = 3  # of /v1/users/{user_id}/...


def user_id_of(raw_path: bytes) -> str:
    """The user id of a path /v1/users/{user_id}/... as it was sent, percent-encoded.

    The decoded path would not do: it has lost which slash was encoded and which bytes were not UTF-8.
    """
    segments = raw_path.split(b"/")[_ID_SEGMENT:-1]
    try:
        return unquote_to_bytes(b"/".join(segments)).decode()
    except UnicodeDecodeError:
        message = "the user id in the path is not percent-encoded UTF-8"
        raise BadRequestError(message) from None


def fields_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Field masks, each with commas between its paths, as the paths of the contract, each once."""
    paths = dict.fromkeys(path for text in texts for path in text.split(",") if path)
    if len(paths) > MASK_PATHS_MAX:
        message = f"at most {MASK_PATHS_MAX} fields, not {len(paths):,}"
        raise BadRequestError(message)
    return tuple(dict.fromkeys(map(contract_path, paths)))


def number_of(query: Mapping[str, str], name: str, most: int) -> int:
    """A number of the query, within 1 and `most`; 0 where it is not given."""
    text = query.get(name)
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        message = f"{name} must be within 1 and {most:,}"
        raise BadRequestError(message)
    return int(text)


def contract_path(path: str) -> str:
    """`session.startTimeMs` as `session.start_time_ms`. The names of scores, and what is not known, stay."""
    descriptor, names = UserScores.DESCRIPTOR, path.split(".")
    for position, name in enumerate(names):
        field = next((field for field in descriptor.fields if name in (field.json_name, field.name)), None)
        if field is None:
            break
        names[position] = field.name
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            break
        descriptor = field.message_type
    return ".".join(names)


def metadata_of(headers: Mapping[str, str]) -> Metadata:
    """The headers that go on to the gRPC server; authorization is always one of them, empty for a caller without it."""
    pairs = tuple((name, headers[name]) for name in PASSED_ON if name in headers)
    if "authorization" not in headers:
        pairs = (*pairs, ("authorization", NO_TOKEN))
    for name, value in pairs:
        if not (value.isascii() and value.isprintable()):
            message = f"the header {name} must be printable ASCII"
            raise BadRequestError(message)
    return pairs


def batch_of(body: bytes) -> tuple[list[str], tuple[str, ...]]:
    """User ids and fields of a BatchGetScoresRequest in JSON."""
    try:
        request = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_number)
    except ValueError:  # also what is no UTF-8, and a number of thousands of digits
        message = "the body is not JSON"
        raise BadRequestError(message) from None
    except RecursionError:
        message = "the body is nested too deeply"
        raise BadRequestError(message) from None
    if not isinstance(request, dict) or not request.keys() <= {"userIds", "readMask"}:
        message = 'the body must be {"userIds": [...], "readMask": "..."}'
        raise BadRequestError(message)
    return _user_ids(request.get("userIds", [])), _read_mask(request.get("readMask", ""))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):  # which of the two was meant?
        message = "the body names a member of an object twice"
        raise BadRequestError(message)
    return members


def _no_number(_name: str) -> None:
    """NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError


def _user_ids(user_ids: Any) -> list[str]:
    if not isinstance(user_ids, list) or not all(isinstance(user_id, str) for user_id in user_ids):
        message = "userIds must be a list of strings"
        raise BadRequestError(message)
    if len(user_ids) > BATCH_IDS_MAX:
        message = f"at most {BATCH_IDS_MAX:,} user ids a batch, not {len(user_ids):,}"
        raise BadRequestError(message)
    return user_ids


def _read_mask(mask: Any) -> tuple[str, ...]:
    if not isinstance(mask, str):
        message = "readMask must be a string: paths with commas between them"
        raise BadRequestError(message)
    return fields_of([mask])
