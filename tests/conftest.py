"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.redis_server import RedisServer

# How long an example takes says more of the machine than of the code.
settings.register_profile("driftline", deadline=None)
settings.register_profile("many", deadline=None)  # tests of whole plans draw ten times as many (plan/running.py)
settings.load_profile("driftline")


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that the test may stop, restart or pause."""
    with RedisServer() as server:
        yield server
