"""The contenders of the suite, and how one is run."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks import venvs
from benchmarks.contenders.duty import Task
from benchmarks.measuring import Measured, measure
from benchmarks.topic_runs import submit, submitting
from benchmarks.workbench import ROOT, Workbench
from console.flink_rest import ENDED
from console.local import Stack
from driftline.units import MIB


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way of doing the duty, or a limit.

    Args:
        key: its name on the command line.
        title: its name for people.
        state: where it keeps users, and what a crash costs.
        module: in benchmarks/contenders; empty for Driftline.
        venv: of benchmarks.venvs; empty for what runs on the stack's Flink.
        mode: PyFlink's execution mode; empty for what has none.
        share: of the topic's records that it reads, the first ones. The whole topic takes the slowest eleven minutes a
            run; these are enough for 20 s, twice the interval of checkpoints, on the machine of docs/performance.md.
        scores: does the whole duty; a limit does not.
        parallelism: slots of Driftline's job, one a TaskManager.
    """

    key: str
    title: str
    state: str
    module: str = ""
    venv: str = ""
    mode: str = ""
    share: float = 1.0
    scores: bool = True
    parallelism: int = 1

    @property
    def on_flink(self) -> bool:
        """Whether it is a Flink job."""
        return not self.venv


TASK_MANAGERS = 2  # as many as the machine has cores
_ROCKSDB = "RocksDB, checkpoints"
_CHANGELOG = "RocksDB, changelog topic"
_SQLITE = "memory, SQLite snapshots"
_NONE = "memory alone, lost in a crash"
_ALL = [
    Contender(key="driftline", title="Driftline", state=_ROCKSDB),
    Contender(key="driftline-2", title="Driftline, 2 TaskManagers", state=_ROCKSDB, parallelism=TASK_MANAGERS),
    Contender(
        key="pyflink-process",
        title="PyFlink per event, process mode, idiomatic",
        state=_ROCKSDB,
        module="pyflink_idiomatic",
        mode="process",
        share=0.06,
    ),
    Contender(
        key="pyflink-thread",
        title="PyFlink per event, thread mode, idiomatic",
        state=_ROCKSDB,
        module="pyflink_idiomatic",
        mode="thread",
        share=0.06,
    ),
    Contender(
        key="pyflink-tuned",
        title="PyFlink per event, thread mode, tuned",
        state=_ROCKSDB,
        module="pyflink_tuned",
        mode="thread",
        share=0.4,
    ),
    Contender(
        key="quix-idiomatic",
        title="Quix Streams, idiomatic",
        state=_CHANGELOG,
        module="quix_idiomatic",
        venv="quix",
        share=0.1,
    ),
    Contender(key="quix-tuned", title="Quix Streams, tuned", state=_CHANGELOG, module="quix_tuned", venv="quix"),
    Contender(
        key="bytewax-idiomatic",
        title="Bytewax, idiomatic",
        state=_SQLITE,
        module="bytewax_idiomatic",
        venv="bytewax",
        share=0.1,
    ),
    Contender(key="bytewax-tuned", title="Bytewax, tuned", state=_SQLITE, module="bytewax_tuned", venv="bytewax"),
    Contender(
        key="plain-idiomatic",
        title="confluent-kafka + redis-py, idiomatic",
        state=_NONE,
        module="plain_idiomatic",
        venv="plain",
        share=0.1,
    ),
    Contender(
        key="plain-tuned",
        title="confluent-kafka + redis-py, tuned",
        state=_NONE,
        module="plain_tuned",
        venv="plain",
    ),
    Contender(
        key="sql-dedupe", title="limit: Flink SQL, dedupe alone", state=_ROCKSDB, module="sql_dedupe", scores=False
    ),
    Contender(key="jvm-only", title="limit: Flink SQL, Kafka to blackhole", state="none", scores=False),
]
CONTENDERS = {contender.key: contender for contender in _ALL}


def run(bench: Workbench, contender: Contender, task: Task, seconds_max: float, assignments: list[str]) -> Measured:
    """Run a contender over its topic, and stop it.

    Raises:
        RuntimeError: it failed; with the end of its output.
        TimeoutError: it did nothing.
        subprocess.CalledProcessError: its environment could not be made.
    """
    if not contender.scores:
        return _run_limit(bench, contender, task)
    if contender.venv:
        return _run_process(bench, contender, task, seconds_max)
    return _run_flink_job(bench, contender, task, seconds_max, assignments)


def _run_flink_job(
    bench: Workbench, contender: Contender, task: Task, seconds_max: float, assignments: list[str]
) -> Measured:
    with submitting(bench, partial(_submit, bench, contender, task, assignments)) as submission:
        return measure(
            bench.settings,
            task.namespace,
            task.events,
            pids=_task_managers(bench),
            seconds_max=seconds_max,
            check=submission.check,
        )


def _run_process(bench: Workbench, contender: Contender, task: Task, seconds_max: float) -> Measured:
    python = venvs.python_of(contender.venv)
    log = Path(task.folder).with_suffix(".log")
    command = [str(python), "-m", f"benchmarks.contenders.{contender.module}", task.to_json()]
    # As for the TaskManager: threads of numeric libraries would only fight over the cores.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=task.folder, env=environment, stdout=output, stderr=output)

    def check() -> None:
        if process.poll() is not None:
            raise RuntimeError(log.read_text().strip().splitlines()[-1:])

    try:
        return measure(
            bench.settings, task.namespace, task.events, pids=[process.pid], seconds_max=seconds_max, check=check
        )
    finally:
        process.kill()  # its work is done, and a soft end may take long
        process.wait()


def _run_limit(bench: Workbench, contender: Contender, task: Task) -> Measured:
    """Run a bounded job without Python; its rate is over its slowest task's time."""
    task_managers = [psutil.Process(pid) for pid in _task_managers(bench)]
    began_s = _cpu_s(task_managers)
    if contender.module:
        job_id = bench.run_flink_script(f"benchmarks/contenders/{contender.module}.py", task.to_json())
    else:
        job_id = bench.run_flink_script("benchmarks/jvm_only.py", task.topic, task.kafka)
    while (state := bench.flink.state(job_id)) != "FINISHED":
        if state in ENDED:
            raise RuntimeError(bench.flink.failure(job_id))
        time.sleep(0.05)
    cpu_s = _cpu_s(task_managers) - began_s
    memory_mib = sum(process.memory_info().rss for process in task_managers) / MIB
    return Measured(task.events, bench.flink.running_s(job_id), cpu_s, memory_mib, finished=True)


def _submit(bench: Workbench, contender: Contender, task: Task, assignments: list[str]) -> str:
    if contender.module:
        script = f"benchmarks/contenders/{contender.module}.py"
        return bench.run_flink_script(script, task.to_json(), contender.mode, mode=contender.mode)
    own = [f"events_topic={task.topic}", f"parallelism={contender.parallelism}"]
    return submit(bench, task.namespace, [*own, *assignments])


def _task_managers(bench: Workbench) -> list[int]:
    """Their pids. A job of one slot may be on any of them; the others are idle."""
    return [s.pid for s in Stack(bench.settings).status() if s.name.startswith("taskmanager-") and s.pid]


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))
