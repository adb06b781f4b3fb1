"""Schemas of a registry: what it answers, and what becomes of outages and of ids that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastavro import parse_schema

from driftline.errors import ServiceUnavailable, SettingError
from driftline.values.avro import avro_document
from jobs.schema_registry import SchemaRegistry
from tests.schema_registry import Registry, answer, running, written

RECORD = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}
MONEY = {"type": "record", "name": "shop.Money", "fields": [{"name": "amount", "type": "double"}]}
LINE = {"type": "record", "name": "shop.Line", "fields": [{"name": "price", "type": "shop.Money"}]}
ORDER = {
    "type": "record",
    "name": "shop.Order",
    "fields": [{"name": "paid", "type": "shop.Money"}, {"name": "line", "type": "shop.Line"}],
}


def reference(name: str, subject: str) -> dict[str, Any]:
    return {"name": name, "subject": subject, "version": 1}


@pytest.fixture
def server() -> Iterator[Registry]:
    with running() as registry:
        yield registry


@pytest.fixture
def registry(server: Registry) -> Callable[..., SchemaRegistry]:
    def of(**changed: Any) -> SchemaRegistry:
        return SchemaRegistry(server.url, **{"retries_max": 2, "retry_wait_s": 0.001} | changed)

    return of


def test_a_schema_is_asked_for_once(server: Registry, registry: Callable[..., SchemaRegistry]) -> None:
    server.answers["/schemas/ids/7"] = answer(RECORD)
    schemas = registry()
    assert schemas.avro(7) is schemas.avro(7)
    assert avro_document(written(RECORD, {"a": 5}), schemas.avro(7)) == {"a": 5}
    assert server.asked == ["/schemas/ids/7"]


def test_references_are_followed(server: Registry, registry: Callable[..., SchemaRegistry]) -> None:
    money, line = reference("shop.Money", "money"), reference("shop.Line", "line")
    server.answers["/schemas/ids/7"] = answer(ORDER, references=[line, money])
    server.answers["/subjects/money/versions/1"] = answer(MONEY, subject="money", version=1, id=1)
    server.answers["/subjects/line/versions/1"] = answer(LINE, subject="line", version=1, id=2, references=[money])
    named: dict[str, Any] = {}
    for schema in (MONEY, LINE):
        parse_schema(schema, named_schemas=named)
    record = {"paid": {"amount": 2.5}, "line": {"price": {"amount": 1.5}}}
    assert avro_document(written(ORDER, record, named), registry().avro(7)) == record


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "is of a schema that the registry does not have"),
        (answer("syntax = 'proto3';", schemaType="PROTOBUF"), "is of a schema of PROTOBUF, not Avro"),
        (answer("{"), "is of a schema that is not Avro"),
        (answer('"long"'), "not a record"),
        (answer(ORDER), "is of a schema that is not Avro: UnknownType"),
    ],
)
def test_an_id_without_a_schema_of_avro_is_refused_and_remembered(
    server: Registry, registry: Callable[..., SchemaRegistry], found: dict[str, Any] | None, why: str
) -> None:
    if found is not None:
        server.answers["/schemas/ids/7"] = found
    schemas = registry()
    for _ in range(3):
        with pytest.raises(ValueError, match=why):
            schemas.avro(7)
    assert server.asked == ["/schemas/ids/7"]


def test_a_refused_id_is_asked_for_again_after_a_while(
    server: Registry, registry: Callable[..., SchemaRegistry]
) -> None:
    schemas = registry(refused_s=0.0)
    with pytest.raises(ValueError, match="does not have"):
        schemas.avro(7)
    server.answers["/schemas/ids/7"] = answer(RECORD)
    assert schemas.avro(7)


def test_an_outage_is_retried(server: Registry, registry: Callable[..., SchemaRegistry]) -> None:
    server.answers["/schemas/ids/7"] = answer(RECORD)
    server.trouble = [(503, b""), (500, b"{}")]
    assert registry().avro(7)
    assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "asked"), [(503, 3), (401, 1)])
def test_an_outage_that_lasts_is_no_poison(
    server: Registry, registry: Callable[..., SchemaRegistry], status: int, asked: int
) -> None:
    server.trouble = [(status, b'{"error_code":1,"message":"no"}')] * 3
    schemas = registry()
    with pytest.raises(ServiceUnavailable, match=f"answers with HTTP {status}"):
        schemas.avro(7)
    assert len(server.asked) == asked
    server.trouble.clear()
    server.answers["/schemas/ids/7"] = answer(RECORD)
    assert schemas.avro(7)


@pytest.mark.parametrize(
    "body", [b"<html>not here</html>", b'{"error_code":404,"message":"HTTP 404 Not Found"}', b"{}"]
)
def test_a_404_that_is_not_the_registry_s_is_an_outage(
    server: Registry, registry: Callable[..., SchemaRegistry], body: bytes
) -> None:
    server.trouble = [(404, body)] * 3
    with pytest.raises(ServiceUnavailable, match="HTTP 404, but not as a registry does; check schema_registry_url"):
        registry().avro(7)


def test_an_answer_that_is_no_json_is_an_outage(server: Registry, registry: Callable[..., SchemaRegistry]) -> None:
    server.trouble = [(200, b"<html>")]
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        registry().avro(7)


def test_a_registry_that_is_not_there_is_an_outage(server: Registry) -> None:
    server.http.shutdown()
    server.http.server_close()
    schemas = SchemaRegistry(server.url, retries_max=1, retry_wait_s=0.001)
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        schemas.avro(7)


def test_nobody_waits_for_ever(server: Registry, registry: Callable[..., SchemaRegistry]) -> None:
    schemas = registry(answer_s=5.0)
    server.hold.clear()
    schemas._answer_s = 0.05
    with pytest.raises(ServiceUnavailable, match=r"no answer within 0\.05 s"):
        schemas.avro(7)


def test_it_logs_in(server: Registry, registry: Callable[..., SchemaRegistry]) -> None:
    server.answers["/schemas/ids/7"] = answer(RECORD)
    registry(user_info="ada:secret").avro(7)
    assert server.headers["Authorization"] == "Basic YWRhOnNlY3JldA=="


@pytest.mark.parametrize("changed", [{"user_info": "without a colon"}, {"ca_file": "/no/such/file"}])
def test_settings_that_the_client_cannot_use_are_named(
    registry: Callable[..., SchemaRegistry], changed: dict[str, str]
) -> None:
    with pytest.raises(SettingError, match="cannot use its settings"):
        registry(**changed)


def test_many_ids_are_bounded(
    server: Registry, registry: Callable[..., SchemaRegistry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.schema_registry._IDS_MAX", 2)
    schemas = registry()
    for number in range(5):
        server.answers[f"/schemas/ids/{number}"] = answer(RECORD)
        assert schemas.avro(number)
        with pytest.raises(ValueError, match="does not have"):
            schemas.avro(100 + number)
    assert len(schemas._known) == len(schemas._refused) == 2
