"""The local Flink session cluster: one JobManager, and TaskManagers of one slot each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from console.flink_rest import FlinkRest
from console.local.artifacts import KAFKA_CONNECTOR, PARQUET_FORMAT, S3_PLUGIN, Artifact
from console.local.flink_conf import JOB_MANAGER, FlinkFiles
from console.local.home import Home
from console.local.logs import rotate
from console.local.ports import PortClaim, free_ports
from console.local.process import ProcessRecord, load_records
from console.local.service import Launch, NotReady, Service
from console.settings import StackSettings
from driftline.errors import ServiceUnavailable

TASK_MANAGER = "taskmanager-"
_REST_TIMEOUT_S = 3.0


class _FlinkService(Service):
    artifacts: Sequence[Artifact] = (KAFKA_CONNECTOR, PARQUET_FORMAT)

    def __init__(self, settings: StackSettings, home: Home, files: FlinkFiles) -> None:
        super().__init__(settings, home)
        self._files = files
        if settings.lake_address.startswith("s3://"):
            self.artifacts = (*self.artifacts, S3_PLUGIN)

    @property
    def external(self) -> bool:
        """Whether DRIFTLINE_FLINK_REST points to an existing cluster."""
        return bool(self.settings.flink_rest)

    def _get(self, path: str) -> Any:
        """Return the reply of the REST API.

        Raises:
            NotReady: it does not answer.
        """
        try:
            return FlinkRest(self.settings.flink_address, timeout_s=_REST_TIMEOUT_S, advice="").get(path)
        except ServiceUnavailable as error:
            raise NotReady(str(error)) from None


class JobManager(_FlinkService):
    """Takes jobs, coordinates checkpoints, and serves the REST API and the web UI."""

    name = JOB_MANAGER

    @property
    def address(self) -> str:
        """The REST API and web UI."""
        return self.settings.flink_address

    @property
    def claim(self) -> PortClaim | None:
        """The port of the REST API."""
        return PortClaim(self.settings.flink_port, "DRIFTLINE_FLINK_PORT")

    def prepare(self) -> None:
        """Configure the cluster, and clear what a crash left in its scratch folder."""
        self._files.prepare()
        rotate(self.log)
        records = load_records(self.home.run)
        if not any(record.process() for record in records if record.service.startswith(TASK_MANAGER)):
            shutil.rmtree(self.home.path / "flink" / "tmp", ignore_errors=True)
        self._command = self._files.command(
            "jobmanager", "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", self.log
        )

    def launch(self) -> Launch:
        """The JobManager in the foreground."""
        command = [*self._command, "--configDir", str(self._files.conf_dir)]
        return Launch(command, self.settings.flink_port, self._files.rpc_port(), self._files.env())

    def probe(self, record: ProcessRecord | None) -> None:
        """Ask for the overview."""
        self._get("/overview")


class TaskManager(_FlinkService):
    """Runs tasks in its one slot; more parallelism is more TaskManagers."""

    def __init__(self, settings: StackSettings, home: Home, files: FlinkFiles, number: int) -> None:
        super().__init__(settings, home, files)
        self.name = f"{TASK_MANAGER}{number}"

    @property
    def address(self) -> str:
        """Nobody talks to it directly; its tasks are found through the JobManager."""
        return "-"

    @property
    def claim(self) -> PortClaim | None:
        """No port is fixed."""
        return None

    def prepare(self) -> None:
        """Configure the cluster, unless the JobManager has."""
        self._files.prepare()
        rotate(self.log)
        self._command = self._files.command(
            "taskmanager", "org.apache.flink.runtime.taskexecutor.TaskManagerRunner", self.log
        )

    def launch(self) -> Launch:
        """The TaskManager in the foreground. Its RPC port tells it from a predecessor of the same name."""
        port = free_ports(1)[0]
        command = [*self._command, "--configDir", str(self._files.conf_dir)]
        command += ["-D", f"taskmanager.resource-id={self.name}", "-D", f"taskmanager.rpc.port={port}"]
        # One task, one slot: threads of numeric libraries and of the allocator would only fight over the cores.
        quiet = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        return Launch(command, port, env=quiet | self._files.env())

    def probe(self, record: ProcessRecord | None) -> None:
        """Look for it among the TaskManagers that have registered."""
        registered = [str(manager["path"]) for manager in self._get("/taskmanagers")["taskmanagers"]]
        if record is None or not any(f":{record.port}/" in path for path in registered):
            message = "it has not registered with the JobManager"
            raise NotReady(message)
