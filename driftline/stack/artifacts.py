"""Jars from Maven, downloaded once a machine: the Kafka broker, and Flink's Kafka connector.

They lie in `${XDG_CACHE_HOME:-~/.cache}/driftline/<name>`. A folder appears there by one rename when its download is
complete, so a download that was cut off is never used, and a lock lets one process download at a time.
`python -m driftline.stack.fetch` fetches everything ahead of time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from driftline.errors import StackError

Report = Callable[[str], None]

DOWNLOAD_S_MAX = 900
_PROGRESS_EVERY_S = 5.0
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>driftline</groupId><artifactId>{name}</artifactId><version>1</version>
  <dependencies>{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = """
    <dependency><groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version></dependency>"""


@dataclass(frozen=True)
class Artifact:
    """Maven coordinates, `group:artifact:version`, whose jars are needed together, in a cache folder `name`."""

    name: str
    coordinates: tuple[str, ...]
    size: str  # what to expect, for people


KAFKA = Artifact(
    "kafka-4.1.0",
    # Kafka's jars log through SLF4J 1.7 and bring log4j2, but not what connects the two.
    ("org.apache.kafka:kafka_2.13:4.1.0", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"),
    "45 MB",
)
# Built for Flink 2.2; runs on 2.3, for which no release exists yet.
KAFKA_CONNECTOR = Artifact(
    "flink-sql-connector-kafka-5.0.0-2.2", ("org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2",), "11 MB"
)


def cache() -> Path:
    """Folder of the downloads, shared by every stack of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "driftline"


def jars(artifact: Artifact, report: Report = lambda line: None) -> Path:
    """The folder with the jars of `artifact`; downloads them at first. Raises StackError when that fails."""
    target = cache() / artifact.name
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f"{artifact.name}.lock", timeout=DOWNLOAD_S_MAX):
            if not target.is_dir():
                _download(artifact, target, report)
    except Timeout:
        message = f"another process has been downloading {artifact.name} for {DOWNLOAD_S_MAX} s"
        raise StackError(message) from None
    except OSError as error:
        message = f"cannot store {artifact.name} in {target.parent}: {error.strerror} ({error.filename})"
        raise StackError(message) from None
    return target


def kafka_connector(report: Report = lambda line: None) -> Path:
    """The jar that lets Flink read and write Kafka."""
    return next(jars(KAFKA_CONNECTOR, report).glob("flink-sql-connector-kafka-*.jar"))


def _download(artifact: Artifact, target: Path, report: Report) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        message = f"mvn (Maven) is needed once to download {artifact.name}; install it, for example: apt install maven"
        raise StackError(message)
    report(f"downloading {artifact.name} (about {artifact.size}, once)")
    for cut_off in target.parent.glob(f"{artifact.name}.*/"):  # we hold the lock, so nobody works on these any more
        shutil.rmtree(cut_off, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{artifact.name}.", dir=target.parent) as name:
        work = Path(name)
        (work / "pom.xml").write_text(_pom(artifact))
        command = [maven, "-B", "-q", "-C", "-f", str(work / "pom.xml"), _PLUGIN]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={work / 'jars'}"]
        _run(command, artifact, work, report)
        if not any((work / "jars").glob("*.jar")):
            message = f"Maven reported success, but {artifact.name} has no jars"
            raise StackError(message)
        (work / "jars").rename(target)


def _run(command: list[str], artifact: Artifact, work: Path, report: Report) -> None:
    """Run Maven, telling every few seconds how far it is; it ends with us, whatever ends us."""
    started_s = told_s = time.monotonic()
    with (work / "maven.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as maven:
        try:
            while maven.poll() is None:
                now_s = time.monotonic()
                if now_s - started_s > DOWNLOAD_S_MAX:
                    message = f"downloading {artifact.name} took more than {DOWNLOAD_S_MAX} s; try again"
                    raise StackError(message)
                if now_s - told_s > _PROGRESS_EVERY_S:
                    told_s = now_s
                    report(f"downloading {artifact.name}: {now_s - started_s:.0f} s")
                time.sleep(0.1)
        finally:
            if maven.poll() is None:
                maven.terminate()
    if maven.returncode:
        errors = [line for line in (work / "maven.log").read_text(errors="replace").splitlines() if "ERROR" in line]
        reason = errors[0].replace("[ERROR]", "").strip() if errors else f"mvn exited with {maven.returncode}"
        message = f"cannot download {artifact.name}: {reason}"
        raise StackError(message)


def _pom(artifact: Artifact) -> str:
    dependencies = "".join(_DEPENDENCY.format(*coordinate.split(":")) for coordinate in artifact.coordinates)
    return _POM.format(name=artifact.name, dependencies=dependencies)
