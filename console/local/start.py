"""Starting services and waiting for them: one that dies is reported at once, one that hangs after a bounded time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from console.local import logs
from console.local.artifacts import jars
from console.local.home import Home
from console.local.process import ProcessRecord, exit_code, load_record, spawn
from console.local.service import NotReady, Report, Service
from console.local.topics import create_topics
from console.settings import StackSettings
from driftline.errors import StackError

_POLL_S = 0.1
_TOPICS_S_MAX = 60.0


def prepare(services: Sequence[Service], home: Home, report: Report) -> None:
    """Bring what the starts need: downloads first, then configuration, at the same time, as some ask a JVM for it."""
    if not services:
        return
    home.folder("run")
    home.folder("logs")
    for artifact in dict.fromkeys(artifact for service in services for artifact in service.artifacts):
        jars(artifact, report)
    with ThreadPoolExecutor(len(services)) as pool:
        for done in [pool.submit(service.prepare) for service in services]:
            done.result()


def start(service: Service, home: Home, report: Report) -> None:
    """Start a prepared service; it need not answer yet."""
    report(f"starting {service.name}")
    launch = service.launch()
    spawn(
        service.name,
        launch.command,
        env=launch.env,
        console=service.console,
        run=home.run,
        port=launch.port,
        peer_port=launch.peer_port,
    )


def await_answers(services: Sequence[Service], started: Sequence[Service], home: Home, report: Report) -> None:
    """Wait until every service answers, also those not just `started`. Raises StackError when one dies or hangs."""
    waiting = list(services)
    started_s = time.monotonic()
    while waiting:
        for service in list(waiting):
            reason = _not_ready(service, home)
            waited_s = time.monotonic() - started_s
            if reason is None:
                waiting.remove(service)
                if service in started:
                    report(f"{service.name} answers after {waited_s:.1f} s")
            elif waited_s > service.answers_s_max:
                message = f"{service.name} runs but does not answer: {reason}; see {service.log}"
                raise StackError(message)
        if waiting:
            time.sleep(_POLL_S)


def await_topics(settings: StackSettings, report: Report) -> None:
    """Create the missing topics; a broker that has just started may need a moment until it can."""
    deadline_s = time.monotonic() + _TOPICS_S_MAX
    while True:
        try:
            created = create_topics(settings)
        except NotReady as error:
            if time.monotonic() > deadline_s:
                message = f"cannot create topics at {settings.kafka_address}: {error}"
                raise StackError(message) from None
            time.sleep(_POLL_S)
        else:
            if created:
                report(f"created topics {', '.join(created)}")
            return


def exit_report(record: ProcessRecord, home: Home, what: str) -> str:
    """One line that says how a process ended, and the last lines of its logs."""
    code = exit_code(record.pid)
    how = "" if code is None else f" (exit code {code})" if code >= 0 else f" (signal {-code})"
    files = [home.logs / f"{record.service}.log", home.logs / f"{record.service}.out"]
    last = logs.tail(files, since_s=record.created_s)
    return f"{record.service} {what}{how}; the end of its log:\n{last}" if last else f"{record.service} {what}{how}"


def _not_ready(service: Service, home: Home) -> str | None:
    """Why the service does not answer yet, or None when it does. Raises StackError when its process has ended."""
    record = load_record(home.run, service.name)
    if record is None:
        message = f"the record of {service.name} has gone from {home.run}"
        raise StackError(message)
    if record.process() is None:
        raise StackError(exit_report(record, home, "stopped while starting"))
    try:
        service.probe(record)
    except NotReady as error:
        return str(error)
    return None
