"""`driftline diff`, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from typer.testing import CliRunner, Result

from console.cli import app
from driftline.errors import InputError, ServiceUnavailable, SettingError
from driftline.serving.v1.scores_pb2 import UserScores
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.redis_server import RedisServer
from tests.stored import stored_user

pytestmark = pytest.mark.redis
Write = Callable[..., None]


def diff(*arguments: str, exit_code: int) -> Result:
    done = CliRunner().invoke(app, ["diff", *arguments], catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done


def scored(user_id: str, **scores: float) -> tuple[str, bytes]:
    message = UserScores(user_id=user_id, scores=scores, feature_set="v1")
    return user_id, encode_value(1, 1, message.SerializeToString())


@pytest.fixture
def write(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", own_redis.url)

    def write(namespace: str, *values: tuple[str, bytes]) -> None:
        with closing(RedisScoreStore.connect(own_redis.url, namespace=namespace, retry_s=5)) as store:
            store.write(values, None)

    yield write


def test_equal_namespaces_exit_with_0(write: Write) -> None:
    for generation, name in enumerate(("a", "b"), 1):
        write(name, *(stored_user(f"u{number}", generation=generation) for number in range(2_500)))
    shown = diff("a", "b", "--features", exit_code=0).stdout
    assert "users: 2,500 equal, 0 different" in shown
    assert "no feature of 40 differs" in shown


def test_what_differs_and_by_how_much(write: Write) -> None:
    write("a", scored("u1", x=0.5), scored("u2", x=0.5), scored("[red]\x1b", x=0.25), scored("gone", x=1))
    write("b", scored("u1", x=0.5), scored("u2", x=0.25, y=1), scored("[red]\x1b", x=0.375), scored("new", x=1))
    shown = diff("a", "b", exit_code=1).stdout
    lines = [line.split() for line in shown.splitlines()]
    assert "users: 1 equal, 2 different" in shown
    assert "only in a: 1; only in b: 1" in shown
    assert ["x", "2", "3", "0", "0", "0.25", "0.125"] in lines
    assert ["y", "0", "0", "0", "1", "0", "0"] in lines
    assert ["0.1", "to", "0.2", "1", "#" * 40] in lines
    assert lines[-3:] == [["u2", "x", "0.5", "0.25"], ["y", "none", "1"], ["[red]?", "x", "0.25", "0.375"]]
    assert "[red]?" not in diff("a", "b", "--limit", "1", exit_code=1).stdout
    assert "user " not in diff("a", "b", "--limit", "0", exit_code=1).stdout


def test_tolerance(write: Write) -> None:
    write("a", scored("u", x=0.5))
    write("b", scored("u", x=0.5625))
    diff("a", "b", "--tolerance", "0.0624", exit_code=1)
    diff("a", "b", "--tolerance", "0.0625", exit_code=0)


def test_json(write: Write) -> None:
    write("a", scored("u", x=0.5))
    write("b", scored("u", x=0.75, y=1))
    (line,) = diff("a", "b", "--json", exit_code=1).stdout.splitlines()
    found = json.loads(line)
    assert found["users"] == {"only_first": 0, "only_second": 0, "equal": 0, "different": 1}
    assert found["scores"]["x"] == {
        "both": 1,
        "differ": 1,
        "only_first": 0,
        "only_second": 0,
        "max": 0.25,
        "mean": 0.25,
        "histogram": [{"difference": "0.2 to 0.5", "users": 1}],
    }
    values = {"x": [0.5, 0.75], "y": [None, 1.0]}
    assert found["worst"] == [{"user_id": "u", "difference": 0.25, "values": values, "fields": []}]


def test_a_name_that_is_wrong(write: Write) -> None:
    write("a", scored("u", x=0.5))
    for pair in (("a", "typo"), ("typo", "a"), ("typo", "typo")):
        with pytest.raises(InputError, match=r"namespace typo has no scores; `driftline namespaces`"):
            diff(*pair, exit_code=1)
    with pytest.raises(SettingError, match="a namespace must have"):
        diff("a", "b*", exit_code=2)


def test_redis_unavailable(write: Write, own_redis: RedisServer) -> None:
    write("a", scored("u", x=0.5))
    own_redis.stop()
    with pytest.raises(ServiceUnavailable):
        diff("a", "b", exit_code=1)
