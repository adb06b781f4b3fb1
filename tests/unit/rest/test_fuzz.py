"""Whatever bytes come, the gateway answers with a status of its document, and 500 is none of them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fake_scores import FakeScores, fake_server, user
from tests.rest_gateway import rest_gateway

REFUSED = {400, 404, 405, 413, 431}
EXAMPLES = settings(max_examples=150, deadline=None)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=8),  # surrogates too
)
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)
_bodies = st.builds(
    lambda ids, mask, more: {"userIds": ids, "readMask": mask} | more,
    st.lists(st.text(st.characters(codec=None), max_size=8) | _scalars, max_size=4) | _json,
    st.text(st.characters(codec=None), max_size=20) | _json,
    st.just({}) | st.dictionaries(st.text(max_size=4), _json, max_size=1),
)
_bytes_of_a_line = st.binary(max_size=60).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))


@pytest.fixture(scope="module")
def gateway() -> Iterator[httpx.Client]:
    fake = FakeScores()
    fake.put(user("u1"))
    with fake_server(fake) as target, rest_gateway(target) as client:
        yield client


def is_problem(answer: httpx.Response) -> bool:
    return answer.json()["status"] == answer.status_code and "\n" not in answer.json()["detail"]


def status_of(gateway: httpx.Client, head: bytes, body: bytes = b"") -> int:
    """The status of a request whose head is sent as it is."""
    with socket.create_connection((gateway.base_url.host, gateway.base_url.port or 0), timeout=10) as connection:
        connection.sendall(head + b"\r\nHost: x\r\nConnection: close\r\n\r\n" + body)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    return int(answer.split()[1])


@EXAMPLES
@given(body=_bodies)
@example(body={"userIds": ["\ud800"]})
@example(body={"userIds": [], "readMask": "\udfff"})
@example(body={"userIds": [10**400]})
def test_json_of_any_kind(gateway: httpx.Client, body: object) -> None:
    answer = gateway.post("/v1/scores:batchGet", content=json.dumps(body).encode())
    assert answer.status_code == 200 or (answer.status_code == 400 and is_problem(answer))


@EXAMPLES
@given(body=st.binary(max_size=100), at=st.integers(0, 40), cut=st.integers(0, 40))
def test_damaged_json(gateway: httpx.Client, body: bytes, at: int, cut: int) -> None:
    good = b'{"userIds":["u1","u2"],"readMask":"scores.engagement"}'
    answer = gateway.post("/v1/scores:batchGet", content=good[:at] + body + good[at + cut :])
    assert answer.status_code == 200 or (answer.status_code == 400 and is_problem(answer))


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"userIds":['])
@pytest.mark.parametrize("depth", [900, 990, 1_000, 1_100, 80_000])
def test_nesting_of_any_depth(gateway: httpx.Client, opening: str, depth: int) -> None:
    answer = gateway.post("/v1/scores:batchGet", content=(opening * depth).encode())
    assert answer.status_code == 400 and is_problem(answer)


@EXAMPLES
@given(
    target=_bytes_of_a_line,
    before=st.sampled_from([b"/v1/users/", b"/v1/users/u1/scores?", b"/v1/segments/", b"/", b"", b"http://h/"]),
)
@example(target=b"%ff/scores", before=b"/v1/users/")
@example(target=b"/scores", before=b"/v1/users/")
@example(target=b"namespace=%00&fields=%ed%a0%80", before=b"/v1/users/u1/scores?")
def test_any_target(gateway: httpx.Client, target: bytes, before: bytes) -> None:
    assert status_of(gateway, b"GET " + before + target + b" HTTP/1.1") in {200, *REFUSED}


@EXAMPLES
@given(value=_bytes_of_a_line, name=st.sampled_from([b"Authorization", b"traceparent", b"Content-Length", b"Expect"]))
@example(value=b"\xff", name=b"Authorization")
def test_any_header(gateway: httpx.Client, value: bytes, name: bytes) -> None:
    head = b"GET /v1/users/u1/scores HTTP/1.1\r\n" + name + b": " + value
    assert status_of(gateway, head) in {200, *REFUSED}
