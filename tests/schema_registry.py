"""A Schema Registry over HTTP, as far as Driftline asks one: schemas by id, and versions of subjects."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fastavro import parse_schema, schemaless_writer


def answer(schema: Any, **rest: Any) -> dict[str, Any]:
    """What a registry answers for a schema, which is Avro unless `rest` says otherwise."""
    return {"schema": schema if isinstance(schema, str) else json.dumps(schema), **rest}


class Registry:
    """A registry of schemas by path; `trouble` are the answers before them."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.trouble: list[tuple[int, bytes]] = []
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.threads: set[str] = set()
        self.hold = threading.Event()
        self.hold.set()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.hold.wait(10)
                path = self.path.partition("?")[0]
                registry.asked.append(path)
                registry.headers = dict(self.headers)
                if registry.trouble:
                    status, body = registry.trouble.pop(0)
                else:
                    found = registry.answers.get(path)
                    status = 200 if found else 404
                    body = json.dumps(found or {"error_code": 40403, "message": "Schema not found"}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop listening; whoever waits is answered."""
        self.hold.set()
        self.http.shutdown()
        self.http.server_close()


@contextmanager
def running() -> Iterator[Registry]:
    """A registry without schemas on a port of its own."""
    registry = Registry()
    try:
        yield registry
    finally:
        registry.close()


def written(schema: Any, record: dict[str, Any], named: dict[str, Any] | None = None) -> bytes:
    """A record as Avro, without a frame."""
    sink = io.BytesIO()
    schemaless_writer(sink, parse_schema(schema, named_schemas=named if named is not None else {}), record)
    return sink.getvalue()


def frame(data: bytes, schema_id: int = 7) -> bytes:
    """A value as Confluent's serializers frame it; a message of protobuf needs its indexes before it."""
    return b"\0" + schema_id.to_bytes(4, "big") + data
