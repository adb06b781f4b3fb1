"""What every service of the local stack answers: how it is started, where it is, and whether it works."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from console.local.artifacts import Artifact
from console.local.home import Home
from console.local.ports import PortClaim
from console.local.process import ProcessRecord
from console.settings import StackSettings
from driftline.errors import StackError

Report = Callable[[str], None]
State = Literal["running", "stopped", "external", "unreachable"]

LOG_CONFIG = Path(__file__).with_name("log4j2.properties")


class NotReady(Exception):  # noqa: N818  (not an error: an answer)
    """The service does not work yet; the message says what is missing."""


@dataclass(frozen=True)
class ServiceStatus:
    """One service as `driftline status` shows it.

    `running` and `external` (an existing service that a setting points to) answer; `unreachable` should, but does not;
    `stopped` has no process.
    """

    name: str
    state: State
    pid: int | None
    port: int | None
    address: str
    log: str | None
    warning: str = ""  # what works, and will not for long, or not as it should

    @property
    def well(self) -> bool:
        """Whether the service can be used."""
        return self.state in ("running", "external")


@dataclass(frozen=True)
class Launch:
    """How to start a process: its command line, its environment on top of ours, and its ports."""

    command: Sequence[str]
    port: int
    peer_port: int = 0
    env: Mapping[str, str] = field(default_factory=dict)


class Service(ABC):
    """One service. A service is either local, started and stopped by the stack, or external, only looked at."""

    name: str
    stage = 1  # services of a lower stage answer before those of the next one start; they stop in reverse order
    artifacts: Sequence[Artifact] = ()  # downloaded before anything starts
    answers_s_max = 60.0  # how long it may take from its start until it answers, on a busy machine

    def __init__(self, settings: StackSettings, home: Home) -> None:
        self.settings = settings
        self.home = home

    @property
    @abstractmethod
    def external(self) -> bool:
        """Whether a setting points to an existing service."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients reach it."""

    @property
    @abstractmethod
    def claim(self) -> PortClaim | None:
        """The port that must be free before it starts, where a setting fixes it."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what the start needs besides artifacts: folders, configuration. Takes seconds; called in a thread."""

    @abstractmethod
    def launch(self) -> Launch:
        """The process to start, after `prepare`."""

    @abstractmethod
    def probe(self, record: ProcessRecord | None) -> None:
        """Raise NotReady unless it does its work now. Answers within a few seconds; `record` is None when external."""

    def warning(self) -> str:
        """What to tell of a service that answers; empty where all is well. Raises nothing."""
        return ""

    @property
    def log(self) -> Path:
        """The file to read when something is wrong."""
        return self.home.logs / f"{self.name}.log"

    @property
    def console(self) -> Path:
        """Where its standard output and error go."""
        return self.home.logs / f"{self.name}.out"


def java() -> str:
    """The Java to run services with. Raises StackError when there is none."""
    found = shutil.which("java", path=f"{os.environ['JAVA_HOME']}/bin") if os.environ.get("JAVA_HOME") else None
    found = found or shutil.which("java")
    if found is None:
        message = "Java 17 is needed for Kafka and Flink; install it, for example: apt install openjdk-17-jre-headless"
        raise StackError(message)
    return found
