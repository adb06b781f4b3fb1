"""Jars from Maven, downloaded once a machine: the Kafka broker, and what Flink needs for Kafka, Parquet and S3.

They lie in `${XDG_CACHE_HOME:-~/.cache}/driftline/<name>`. A folder appears there by one rename when its download is
complete, so a download that was cut off is never used, and a lock lets one process download at a time. Each jar must be
the one that artifacts.sha256 names: Maven compares with checksums of the server that sent it, which says little of who
made it.
`python -m console.local.fetch` fetches everything ahead of time.
"""

from __future__ import annotations

import hashlib
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
PINS = Path(__file__).with_name("artifacts.sha256")
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
    alone: bool = False  # without what they depend on


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
# Flink's Parquet format, and what it uses of Hadoop and does not bring: with all that Hadoop depends on it would be 70
# jars. Local clusters have it from the start, because a cluster cannot be given it later.
PARQUET_FORMAT = Artifact(
    "flink-parquet-2.3.0",
    (
        "org.apache.flink:flink-sql-parquet:2.3.0",
        "org.apache.hadoop:hadoop-common:3.4.2",
        "org.apache.hadoop:hadoop-mapreduce-client-core:3.4.2",
        "org.apache.hadoop.thirdparty:hadoop-shaded-guava:1.4.0",
        "org.apache.commons:commons-collections4:4.4",
        "com.fasterxml.woodstox:woodstox-core:5.4.0",
        "org.codehaus.woodstox:stax2-api:4.2.1",
        "com.github.luben:zstd-jni:1.5.6-10",
    ),
    "28 MB",
    alone=True,
)
# Only a stack whose lake is in S3 downloads it (console/local/flink_conf.py).
S3_PLUGIN = Artifact("flink-s3-fs-hadoop-2.3.0", ("org.apache.flink:flink-s3-fs-hadoop:2.3.0",), "32 MB", alone=True)


def cache() -> Path:
    """Folder of the downloads, shared by every stack of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "driftline"


def jars(artifact: Artifact, report: Report = lambda line: None) -> Path:
    """The folder with the jars of `artifact`; downloads them at first. Raises StackError when that fails."""
    target = cache() / artifact.name
    pins = _pins(artifact)
    seal, sealed = target.with_name(f"{artifact.name}.verified"), repr(sorted(pins.items()))
    try:
        if target.is_dir() and seal.is_file() and seal.read_text() == sealed:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f"{artifact.name}.lock", timeout=DOWNLOAD_S_MAX):
            if not target.is_dir():
                _download(artifact, target, report)
            _verify(target, target, pins)  # also what an earlier release left there
            seal.write_text(sealed)
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


def parquet_format(report: Report = lambda line: None) -> list[Path]:
    """The jars that let Flink write Parquet."""
    return sorted(jars(PARQUET_FORMAT, report).glob("*.jar"))


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
        command += ["-DexcludeTransitive=true"] * artifact.alone
        _run(command, artifact, work, report)
        if not any((work / "jars").glob("*.jar")):
            message = f"Maven reported success, but {artifact.name} has no jars"
            raise StackError(message)
        _verify(work / "jars", target, _pins(artifact))
        (work / "jars").rename(target)


def _pins(artifact: Artifact) -> dict[str, str]:
    """The SHA-256 of each jar of `artifact`, by its name."""
    lines = (line.split() for line in PINS.read_text().splitlines() if not line.startswith("#"))
    paths = ((digest, Path(path)) for digest, path in lines)
    return {path.name: digest for digest, path in paths if path.parent.name == artifact.name}


def _verify(folder: Path, target: Path, pins: dict[str, str]) -> None:
    """Raise StackError unless the folder, which is to be `target`, has exactly the jars that are pinned."""
    found = {jar.name: jar for jar in folder.glob("*.jar")}
    for name in sorted(found.keys() ^ pins.keys()):
        what = "is missing" if name in pins else "does not belong there"
        message = f"{target.name}: {name} {what} (by {PINS.name}); delete {target} and try again"
        raise StackError(message)
    for name, jar in sorted(found.items()):
        with jar.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != pins[name]:
            message = f"{target.name}: {name} is not the file that {PINS.name} names; delete {target} and try again"
            raise StackError(message)


def _run(command: list[str], artifact: Artifact, work: Path, report: Report) -> None:
    """Run Maven, telling every few seconds how far it is; it ends with this process, however that ends."""
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
