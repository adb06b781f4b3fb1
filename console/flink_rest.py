"""The few calls of Flink's REST API that Driftline needs."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from driftline.errors import ServiceUnavailable

_TIMEOUT_S = 10.0
_POLL_S = 0.1
_ADVICE = "is the stack up? see DRIFTLINE_FLINK_PORT"
_CAUSED_BY = "Caused by: "
# A proxy in the environment is not for a cluster.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ENDED = frozenset({"FAILED", "CANCELED", "FINISHED", "SUSPENDED"})


@dataclass(frozen=True)
class Job:
    """A job of the cluster as its overview lists it."""

    job_id: str
    name: str
    state: str


class FlinkRest:
    """A client of the cluster at `url`; every call raises ServiceUnavailable where it does not answer or refuses.

    Args:
        url: the base URL of the REST API, without a trailing slash.
        timeout_s: how long one call may take.
        advice: what to tell whoever reads that the cluster does not answer.
    """

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S, advice: str = _ADVICE) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._advice = advice

    def get(self, path: str) -> Any:
        """Return the decoded reply to a GET of `path`."""
        return self._call(path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the decoded reply to a POST of `body` to `path`."""
        return self._call(path, body, "POST")

    def jobs(self) -> list[Job]:
        """Every job that the cluster remembers, newest first."""
        found = sorted(self.get("/jobs/overview")["jobs"], key=lambda job: -job["start-time"])
        return [Job(job["jid"], job["name"], job["state"]) for job in found]

    def running(self, name: str) -> Job | None:
        """Return the job of this name that has not ended."""
        return next((job for job in self.jobs() if job.name == name and job.state not in ENDED), None)

    def tasks_waiting(self, job_id: str) -> dict[str, str]:
        """Return the states of those tasks of the job that do not run yet, by name."""
        tasks = self.get(f"/jobs/{job_id}")["vertices"]
        return {task["name"]: task["status"] for task in tasks if task["status"] not in ("RUNNING", "FINISHED")}

    def state(self, job_id: str) -> str:
        """Return the job's state."""
        return str(self.get(f"/jobs/{job_id}")["state"])

    def running_s(self, job_id: str) -> float:
        """How long a finished job's slowest task ran, in seconds."""
        tasks = self.get(f"/jobs/{job_id}")["vertices"]
        return max(float(task["end-time"] - task["start-time"]) for task in tasks) / 1000

    def failures(self, job_id: str) -> list[str]:
        """Return the root causes of the job's failures, newest first, each in one line."""
        history = self.get(f"/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        return [root_cause(entry["stacktrace"]) for entry in history]

    def failure(self, job_id: str) -> str:
        """Return the root cause of the job's newest failure, empty where there is none."""
        return next(iter(self.failures(job_id)), "")

    def configuration(self) -> dict[str, str]:
        """Return the JobManager's configuration by key."""
        return {entry["key"]: entry["value"] for entry in self.get("/jobmanager/config")}

    def restored_from(self, job_id: str) -> str:
        """Return the path of the checkpoint or savepoint that the job was last restored from, empty where from none."""
        restored = self.get(f"/jobs/{job_id}/checkpoints")["latest"]["restored"]
        return str(restored["external_path"] or "") if restored else ""

    def free_slots(self) -> int:
        """How many slots are free."""
        return int(self.get("/overview")["slots-available"])

    def slots(self) -> int:
        """How many slots there are, free or not."""
        return int(self.get("/overview")["slots-total"])

    def metric_sum(self, job_id: str, vertex_id: str, metric: str) -> float:
        """Sum a metric over the subtasks of a vertex; 0 while it is not reported."""
        return self._metric(job_id, vertex_id, metric, "sum")

    def metric_max(self, job_id: str, vertex_id: str, metric: str) -> float:
        """The largest value of a metric among the subtasks of a vertex; 0 while it is not reported."""
        return self._metric(job_id, vertex_id, metric, "max")

    def _metric(self, job_id: str, vertex_id: str, metric: str, over_subtasks: str) -> float:
        path = f"/jobs/{job_id}/vertices/{vertex_id}/subtasks/metrics?get={metric}&agg={over_subtasks}"
        found = self.get(path)
        return float(found[0][over_subtasks]) if found else 0.0

    def vertices(self, job_id: str) -> dict[str, str]:
        """Return the names of the job's vertices by id."""
        return {vertex["id"]: vertex["name"] for vertex in self.get(f"/jobs/{job_id}")["vertices"]}

    def metrics(self, job_id: str, vertex_id: str) -> list[str]:
        """Name the metrics of a vertex's subtasks, without the subtask's index."""
        found = self.get(f"/jobs/{job_id}/vertices/{vertex_id}/subtasks/metrics")
        return [metric["id"] for metric in found]

    def cancel(self, job_id: str) -> None:
        """Ask for the job to be cancelled."""
        self._call(f"/jobs/{job_id}", method="PATCH")

    def stop_with_savepoint(self, job_id: str, timeout_s: float) -> str:
        """Stop a job with a savepoint and return the savepoint's path."""
        request = self.post(f"/jobs/{job_id}/stop", {"drain": False})["request-id"]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self.get(f"/jobs/{job_id}/savepoints/{request}")
            if status["status"]["id"] == "COMPLETED":
                operation = status["operation"]
                if "location" in operation:
                    return str(operation["location"])
                message = f"the savepoint failed: {root_cause(operation['failure-cause']['stack-trace'])}"
                raise ServiceUnavailable(message)
            time.sleep(_POLL_S)
        message = f"the savepoint was not complete after {timeout_s:g} s"
        raise ServiceUnavailable(message)

    def _call(self, path: str, body: Mapping[str, Any] | None = None, method: str = "GET") -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310  (the URL is a setting)
            self.url + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with _direct.open(request, timeout=self._timeout_s) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            message = f"Flink at {self.url}{path}: {_reason(error)}"
            raise ServiceUnavailable(message) from None
        except (OSError, HTTPException, ValueError) as error:
            message = f"Flink at {self.url} does not answer ({error})"
            message += f"; {self._advice}" if self._advice else ""
            raise ServiceUnavailable(message) from None


def root_cause(stack_trace: str) -> str:
    """Return the first line of a Java stack trace's innermost cause; where it names none, the trace's own."""
    lines = [line.strip() for line in stack_trace.splitlines() if line.strip() and not line.startswith("\t")]
    causes = [line.removeprefix(_CAUSED_BY) for line in lines if line.startswith(_CAUSED_BY)]
    if causes:
        return causes[-1]
    return lines[0] if lines else ""


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        errors = json.loads(error.read())["errors"]
        return root_cause(errors[-1])
    except (ValueError, KeyError, IndexError):
        return f"HTTP {error.code}"
