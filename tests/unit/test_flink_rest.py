"""Flink's REST client against a server that answers like Flink."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from console.flink_client import client_error
from console.flink_rest import FlinkRest, root_cause
from console.local.flink import JobManager
from console.local.flink_conf import FlinkFiles
from console.local.home import Home
from console.local.service import NotReady
from console.settings import StackSettings
from console.submission import matching
from driftline.errors import ServiceUnavailable

JAVA_TRACE = """org.apache.flink.runtime.JobException: Recovery is suppressed
\tat org.apache.flink.Runtime.run(Runtime.java:1)
Caused by: java.lang.RuntimeException: outer
\tat a.b(C.java:1)
Caused by: java.net.ConnectException: Connection refused
\t... 3 more
"""


class Handler(BaseHTTPRequestHandler):
    replies: ClassVar[dict[str, list[tuple[int, Any]]]] = {}

    def _reply(self) -> None:
        queue = self.replies[f"{self.command} {self.path}"]
        status, body = queue.pop(0) if len(queue) > 1 else queue[0]
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = _reply  # noqa: N815  (the base class's names)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def flink() -> Iterator[FlinkRest]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield FlinkRest(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()


def job(number: int, name: str, state: str) -> dict[str, Any]:
    return {"jid": f"j{number}", "name": name, "state": state, "start-time": number}


def test_running_job_is_found_by_name_and_ended_ones_are_not(flink: FlinkRest) -> None:
    jobs = [job(1, "score-events main", "CANCELED"), job(2, "score-events main", "RUNNING"), job(3, "x", "RUNNING")]
    Handler.replies = {"GET /jobs/overview": [(200, {"jobs": jobs})]}
    found = flink.running("score-events main")
    assert found is not None
    assert found.job_id == "j2"
    assert flink.running("score-events other") is None
    assert matching(flink, "score-events", None) == ["j2"]
    assert matching(flink, "score-events", "other") == []


def test_stop_waits_for_the_savepoint(flink: FlinkRest) -> None:
    Handler.replies = {
        "POST /jobs/j/stop": [(202, {"request-id": "r"})],
        "GET /jobs/j/savepoints/r": [
            (200, {"status": {"id": "IN_PROGRESS"}}),
            (200, {"status": {"id": "COMPLETED"}, "operation": {"location": "file:/s"}}),
        ],
    }
    assert flink.stop_with_savepoint("j", 5) == "file:/s"


def test_failed_savepoint_is_an_error_with_its_cause(flink: FlinkRest) -> None:
    failed = {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": {"stack-trace": JAVA_TRACE}}}
    Handler.replies = {"POST /jobs/j/stop": [(202, {"request-id": "r"})], "GET /jobs/j/savepoints/r": [(200, failed)]}
    with pytest.raises(ServiceUnavailable, match="Connection refused"):
        flink.stop_with_savepoint("j", 5)


def test_refusal_is_explained(flink: FlinkRest) -> None:
    Handler.replies = {"GET /jobs/j": [(404, {"errors": ["NotFound: Job j not found"]})]}
    with pytest.raises(ServiceUnavailable, match="Job j not found"):
        flink.state("j")


def test_no_cluster_is_one_clear_line() -> None:
    with pytest.raises(ServiceUnavailable, match="DRIFTLINE_FLINK_PORT"):
        FlinkRest("http://127.0.0.1:9").jobs()


def test_root_cause_is_the_innermost() -> None:
    assert root_cause(JAVA_TRACE) == "java.net.ConnectException: Connection refused"
    assert root_cause("plain message\n\tat x") == "plain message"

    assert root_cause("") == ""


def test_client_error_prefers_our_own_line_then_pythons_then_javas() -> None:
    python = "Traceback\n  File x\nModuleNotFoundError: No module named 'x'\n"
    ours = "score-events: block_ms: bad"
    assert client_error("score-events", f"{python}{ours}\n{JAVA_TRACE}") == ours
    assert client_error("other", f"{python}{ours}\n{JAVA_TRACE}") == "ModuleNotFoundError: No module named 'x'"
    assert client_error("score-events", JAVA_TRACE) == "java.net.ConnectException: Connection refused"
    assert client_error("score-events", "first\nlast\n\n") == "last"
    assert client_error("score-events", "\n") == "no output"


def test_the_local_job_manager_is_asked_through_the_same_client(flink: FlinkRest, tmp_path: Path) -> None:
    Handler.replies = {"GET /overview": [(200, {}), (503, {"errors": ["starting"]})]}
    stack = StackSettings.load(home=tmp_path, flink_port=int(flink.url.rpartition(":")[2]))
    home = Home(stack.home)
    manager = JobManager(stack, home, FlinkFiles(stack, home))
    manager.probe(None)
    with pytest.raises(NotReady, match=r"/overview: starting$"):
        manager.probe(None)


def test_nobody_is_told_to_look_whether_the_stack_is_up_while_it_starts(tmp_path: Path) -> None:
    stack = StackSettings.load(home=tmp_path, flink_port=9)
    home = Home(stack.home)
    with pytest.raises(NotReady, match=r"^Flink at http://127.0.0.1:9 does not answer \([^;]*\)$"):
        JobManager(stack, home, FlinkFiles(stack, home)).probe(None)
