from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contenders.duty import GuardedWriter, Task
from sink_connectors.score_value import encode_value, user_key
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis


def test_an_older_value_never_replaces_a_newer_one(tmp_path: Path) -> None:
    with RedisServer() as server:
        task = Task("", "", server.url, "main", "", 0, str(tmp_path))
        writer, client = GuardedWriter(task), task.connect()
        key = user_key("main", "u")
        newest = encode_value(2, 1, b"newest")
        for value in (encode_value(1, 9, b"older"), newest, encode_value(2, 1, b"same"), encode_value(1, 10, b"old")):
            writer.write("u", value)
        assert client.get(key) == newest
        writer.write("u", encode_value(2, 300, b"later"))
        assert client.get(key) == encode_value(2, 300, b"later")
        assert client.ttl(key) != -1  # it ends some day
        client.close()
