"""The local stack as a whole: `driftline up`, `status` and `down`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from console.local import logs, start
from console.local.flink import TASK_MANAGER, JobManager, TaskManager
from console.local.flink_conf import FlinkFiles
from console.local.home import Home
from console.local.kafka import Kafka
from console.local.ports import check_free
from console.local.process import ProcessRecord, load_record, load_records, record_path, stop
from console.local.redis import Redis
from console.local.scores_server import ScoresServer
from console.local.service import NotReady, Report, Service, ServiceStatus, State
from console.settings import StackSettings
from driftline.errors import ServiceUnavailable, StackError

_WATCH_S = 0.5
_STORES = (Kafka.name, Redis.name)


def _silent(line: str) -> None:
    """Report nothing."""


class Stack:
    """The services of one `DRIFTLINE_HOME`. Every method may be called at any time, by several processes at once."""

    def __init__(self, settings: StackSettings) -> None:
        self._settings = settings
        self._home = Home(settings.home)

    def up(self, task_managers: int = 1, report: Report = _silent) -> list[str]:
        """Start what is missing, wait until everything answers, create missing topics; return the names started.

        A TaskManager that ran before and died is started again even beyond `task_managers`. When anything fails, what
        this call started is stopped again. Raises StackError, or ServiceUnavailable for an external service.
        """
        with self._home.lock():
            services = self._services(task_managers)
            local = [service for service in services if not service.external]
            missing = self._missing(local, report)
            self._check_ports(local, missing)
            self._check_external(service for service in services if service.external)
            self._settings.models_dir.mkdir(parents=True, exist_ok=True)  # a job refuses a folder that is not there
            start.prepare(missing, self._home, report)
            try:
                for _, group in groupby(local, key=lambda service: service.stage):
                    stage = list(group)
                    for service in stage:
                        if service in missing:
                            start.start(service, self._home, report)
                    start.await_answers(stage, missing, self._home, report)
                start.await_topics(self._settings, report)
            except BaseException:
                self._stop([service.name for service in missing])
                raise
        return [service.name for service in missing]

    def down(self, purge: bool = False, report: Report = _silent) -> list[str]:
        """Stop every service of this home and return the names of those that ran; with `purge`, delete its data."""
        if not self._home.path.exists():
            return []
        with self._home.lock():
            stopped = self._stop([record.service for record in load_records(self._home.run)], report)
            if purge:
                for folder in self._home.purge():
                    report(f"deleted {folder}")
        return stopped

    def status(self) -> list[ServiceStatus]:
        """Every service, in the order in which they start. Takes a few seconds when something hangs."""
        services = self._services(1)
        with ThreadPoolExecutor(len(services)) as pool:
            return list(pool.map(self._status, services))

    def watch(self) -> None:
        """Block until another command has stopped the stack. Raises StackError when a service dies."""
        while records := load_records(self._home.run):
            for record in records:
                if record.process() is None:
                    self._explain_end(record)
            for console in self._home.logs.glob("*.out"):
                logs.bound(console)
            time.sleep(_WATCH_S)

    def _explain_end(self, record: ProcessRecord) -> None:
        """Raise StackError unless another command stopped the process; it holds the lock until it is done."""
        with self._home.lock():
            if load_record(self._home.run, record.service) == record:
                raise StackError(start.exit_report(record, self._home, "stopped unexpectedly"))

    def _services(self, task_managers: int) -> list[Service]:
        """Every service, in the order of stages. TaskManagers that have a record belong to them, alive or not."""
        settings, home = self._settings, self._home
        files = FlinkFiles(settings, home)
        services: list[Service] = [Redis(settings, home), Kafka(settings, home), JobManager(settings, home, files)]
        if not settings.flink_rest:
            names = [record.service for record in load_records(home.run)]
            known = {int(name.removeprefix(TASK_MANAGER)) for name in names if name.startswith(TASK_MANAGER)}
            numbers = sorted(known | set(range(1, task_managers + 1)))
            services += [TaskManager(settings, home, files, number) for number in numbers]
        return [*services, ScoresServer(settings, home)]

    def _running(self, name: str) -> ProcessRecord | None:
        record = load_record(self._home.run, name)
        return record if record is not None and record.process() is not None else None

    def _missing(self, local: Sequence[Service], report: Report) -> list[Service]:
        """The services to start. A new JobManager gets new TaskManagers: the old ones would look for the old one."""
        missing = [service for service in local if self._running(service.name) is None]
        if any(isinstance(service, JobManager) for service in missing):
            orphans = [service for service in local if isinstance(service, TaskManager) and service not in missing]
            self._stop([service.name for service in orphans], report)
            missing = [service for service in local if service in missing or service in orphans]
        return missing

    def _check_ports(self, local: Iterable[Service], missing: Sequence[Service]) -> None:
        """Raise StackError when a port is taken, or when a running service has another port than the settings say."""
        for service in local:
            record, claim = self._running(service.name), service.claim
            if record is not None and claim is not None and record.port != claim.port:
                message = (
                    f"{service.name} runs on port {record.port}, but {claim.setting} is {claim.port}; "
                    "run driftline down first"
                )
                raise StackError(message)
        check_free(service.claim for service in missing if service.claim is not None)

    def _check_external(self, services: Iterable[Service]) -> None:
        for service in services:
            try:
                service.probe(None)
            except NotReady as error:
                message = f"{service.name} at {service.address} does not answer: {error}"
                raise ServiceUnavailable(message) from None

    def _stop(self, names: Sequence[str], report: Report = _silent) -> list[str]:
        """Stop the named services and forget their records: first those that read and write, then the stores."""
        stopped: list[str] = []
        stores = [name for name in names if name in _STORES]
        for group in ([name for name in names if name not in _STORES], stores):
            records = [record for name in group if (record := load_record(self._home.run, name)) is not None]
            for record in stop(records):
                report(f"stopped {record.service}")
                stopped.append(record.service)
            for name in group:
                record_path(self._home.run, name).unlink(missing_ok=True)
        return stopped

    def _status(self, service: Service) -> ServiceStatus:
        if service.external:
            state: State = "external" if self._answers(service, None) else "unreachable"
            warning = service.warning() if state == "external" else ""
            return ServiceStatus(service.name, state, None, None, service.address, None, warning)
        record = self._running(service.name)
        if record is None:
            port = service.claim.port if service.claim is not None else None
            return ServiceStatus(service.name, "stopped", None, port, service.address, str(service.log))
        state = "running" if self._answers(service, record) else "unreachable"
        warning = service.warning() if state == "running" else ""
        return ServiceStatus(service.name, state, record.pid, record.port, service.address, str(service.log), warning)

    @staticmethod
    def _answers(service: Service, record: ProcessRecord | None) -> bool:
        try:
            service.probe(record)
        except NotReady:
            return False
        return True
