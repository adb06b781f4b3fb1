"""What a Redis URL means; nothing here connects."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from driftline.errors import SettingError
from sink_connectors.redis_address import open_client, read_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", ("node", [("h", 6379)], "", False, 0)),
        ("redis://", ("node", [("localhost", 6379)], "", False, 0)),
        ("rediss://u:p@h:1/2", ("node", [("h", 1)], "", True, 2)),
        ("redis://[::1]:1/3", ("node", [("::1", 1)], "", False, 3)),
        ("redis://h/0?db=4", ("node", [("h", 6379)], "", False, 4)),
        ("unix:///run/redis.sock?db=1", ("node", [], "", False, 1)),
        ("redis+sentinel://a,b:1/s", ("sentinel", [("a", 26379), ("b", 1)], "s", False, 0)),
        ("rediss+sentinel://:p@a/s/5", ("sentinel", [("a", 26379)], "s", True, 5)),
        ("redis+cluster://a,b:1", ("cluster", [("a", 6379), ("b", 1)], "", False, 0)),
    ],
)
def test_forms(url: str, expected: tuple[object, ...]) -> None:
    found = read_address(url)
    assert (found.kind, list(found.hosts), found.service, found.tls, found.options.get("db", 0)) == expected


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("rediss://h", True),
        ("rediss://h?ssl_cert_reqs=optional", True),
        ("rediss://h?ssl_check_hostname=false", False),
        ("rediss://h?ssl_cert_reqs=none", False),
        ("rediss+sentinel://h/s", True),
        ("rediss+cluster://h", True),
    ],
)
def test_tls_checks_the_name_unless_the_url_says_otherwise(url: str, checked: bool) -> None:
    assert read_address(url).options["ssl_check_hostname"] is checked


def test_the_client_of_a_tls_url_checks_the_name() -> None:
    for url in ("rediss://h", "rediss+sentinel://h/s"):
        client = open_client(url, connect_timeout_s=1, read_timeout_s=1)
        connection: Any = client.connection_pool.make_connection()
        assert connection.check_hostname is True


@pytest.mark.parametrize(("query", "tls"), [("", True), ("?sentinel_ssl=false", False), ("?sentinel_ssl=true", True)])
def test_sentinels_are_asked_over_tls_as_well(query: str, tls: bool) -> None:
    options = read_address(f"rediss+sentinel://:secret@h/s{query}").sentinel_options(timeout_s=1)
    assert options.get("ssl", False) is tls
    assert "password" not in options  # the Redis's


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "h:6379",
        "redis://h:x",
        "redis://h/zero",
        "redis://a,b",
        "redis+sentinel://h",
        "redis+sentinel://:1/s",
        "redis+cluster://",
        "rediss+sentinel://h/s?sentinel_ssl=maybe",
        "redis://h?no_such_option=1",
        "rediss://h?ssl_cert_reqs=perhaps",
        "redis+cluster://h",  # a job writes to one Redis
    ],
)
def test_a_bad_url_is_one_line_with_the_accepted_forms_and_no_password(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        open_client(url.replace("://", "://me:secret@", 1), connect_timeout_s=1, read_timeout_s=1)
    said = str(caught.value)
    assert said.startswith("redis_url ") and "redis://host:6379/0" in said and "\n" not in said
    assert "secret" not in said


def test_a_unix_socket_can_be_opened() -> None:
    client = open_client("unix:///nowhere/redis.sock", connect_timeout_s=1, read_timeout_s=1)
    with pytest.raises(redis.ConnectionError, match="nowhere"):
        client.ping()


def test_what_is_shown_of_it_has_no_password() -> None:
    assert "secret" not in repr(read_address("redis://me:secret@h"))
