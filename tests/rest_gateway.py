"""The REST gateway on a free port, in a thread of the test's process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from driftline.client import AsyncScoresClient, Tls
from serving.rest.limits import Limits
from serving.rest.server import listen, rest_server
from tests.redis_server import wait_until

CALL_S = 10.0


@contextmanager
def rest_gateway(
    target: str, *, timeout_s: float = 2.0, tls: Tls | None = None, **limits: Any
) -> Iterator[httpx.Client]:
    """A client of a gateway that asks the gRPC server at `target`."""
    listening = listen("127.0.0.1", 0)
    server = rest_server(
        lambda: AsyncScoresClient(target, timeout_s=timeout_s, tls=tls), first_s=timeout_s, limits=Limits(**limits)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: server.started, timeout_s=CALL_S)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=CALL_S, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(CALL_S)
        listening.close()
        assert not thread.is_alive()
