"""What every Flink process needs: its configuration, its jars, its environment and its command line.

Flink comes from the apache-flink package. Its own scripts start four JVMs to find out how to start the fifth; here the
commands are made directly, and the sizes of the memory pools, for which Flink has to be asked, are remembered.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from console.local import artifacts
from console.local.home import Home
from console.local.ports import HOST, free_ports
from console.local.process import load_record
from console.local.service import LOG_CONFIG, java
from console.settings import StackSettings
from driftline.errors import StackError

ROOT = Path(__file__).resolve().parents[2]  # the folder that the packages driftline, udfs, ... lie in
CONF_SOURCE = Path(__file__).with_name("flink-conf.yaml")  # a link to the one at the top; a copy in a wheel
JOB_MANAGER = "jobmanager"

Role = Literal["jobmanager", "taskmanager", "client"]
_MEMORY_COMMANDS: Mapping[Role, str] = {"jobmanager": "GET_JM_RESOURCE_PARAMS", "taskmanager": "GET_TM_RESOURCE_PARAMS"}
_RESULT = "BASH_JAVA_UTILS_EXEC_RESULT:"


class FlinkFiles:
    """Everything below `home/flink` that a cluster process or a client needs. Safe to use from several threads."""

    def __init__(self, settings: StackSettings, home: Home) -> None:
        self._settings = settings
        self._home = home
        self._guard = threading.Lock()
        self._conf: dict[str, str] | None = None

    @property
    def conf_dir(self) -> Path:
        """FLINK_CONF_DIR."""
        return self._home.path / "flink" / "conf"

    @property
    def lib_dir(self) -> Path:
        """FLINK_LIB_DIR."""
        return self._home.path / "flink" / "lib"

    @property
    def plugins_dir(self) -> Path:
        """FLINK_PLUGINS_DIR."""
        return self._home.path / "flink" / "plugins"

    def prepare(self) -> dict[str, str]:
        """Write the configuration and link the jars, once, and return the configuration. May download a jar."""
        with self._guard:
            if self._conf is None:
                self._home.folder("flink")
                self._home.folder("logs")
                self._link_jars()
                self._link_plugins()
                conf = self._without_reporters(read_conf(CONF_SOURCE)) | self._overrides()
                self._write_conf(conf)
                self._conf = conf
            return self._conf

    def rpc_port(self) -> int:
        """Where TaskManagers find the JobManager: the port of the running one, or one for the next."""
        return int(self.prepare()["jobmanager.rpc.port"])

    def env(self) -> dict[str, str]:
        """The environment in which Flink's processes, its client and its scripts find this cluster."""
        self.prepare()
        flink = pyflink()
        return dict(os.environ) | {
            "FLINK_HOME": str(flink),
            "FLINK_BIN_DIR": str(flink / "bin"),
            "FLINK_CONF_DIR": str(self.conf_dir),
            "FLINK_LIB_DIR": str(self.lib_dir),
            "FLINK_OPT_DIR": str(flink / "opt"),
            "FLINK_PLUGINS_DIR": str(self.plugins_dir),
            "FLINK_LOG_DIR": str(self._home.logs),
            "JAVA_HOME": str(Path(java()).resolve().parents[1]),
        }

    def command(self, role: Role, main_class: str, log: Path) -> list[str]:
        """The command line of a Flink process, up to its class and, for cluster processes, its memory settings."""
        conf = self.prepare()
        jvm, dynamic = self._memory(role)
        options = shlex.split(conf.get("env.java.opts.all", "")) + shlex.split(conf.get(f"env.java.opts.{role}", ""))
        logging = [f"-Dlog.file={log}", f"-Dlog4j.configurationFile={LOG_CONFIG.as_uri()}"]
        jars = sorted(self.lib_dir.glob("*.jar"), key=lambda jar: (jar.name.startswith("flink-dist"), jar.name))
        class_path = os.pathsep.join(map(str, jars))
        return [java(), *jvm, *options, *logging, "-classpath", class_path, main_class, *dynamic]

    def _memory(self, role: Role) -> tuple[list[str], list[str]]:
        """JVM options and `-D key=value` pairs of the role's memory pools, as Flink derives them; remembered."""
        if role not in _MEMORY_COMMANDS:
            return [], []
        conf = {key: value for key, value in self.prepare().items() if not key.endswith("port")}
        key = hashlib.sha256(json.dumps([conf, pyflink().as_posix()], sort_keys=True).encode()).hexdigest()
        known = self.conf_dir / f"{role}.memory.json"
        try:
            remembered = json.loads(known.read_text())
        except (OSError, ValueError):
            remembered = {}
        if remembered.get("key") != key:
            jvm, dynamic = _ask_flink(_MEMORY_COMMANDS[role], self.conf_dir)
            remembered = {"key": key, "jvm": jvm, "dynamic": dynamic}
            _replace(known, json.dumps(remembered, indent=2))
        return remembered["jvm"], remembered["dynamic"]

    def _without_reporters(self, conf: dict[str, str]) -> dict[str, str]:
        """Prometheus's reporter listens on every address; here only where ports were given for it."""
        ports = self._settings.flink_metrics_ports
        if self._settings.flink_rest or not ports:
            return {key: value for key, value in conf.items() if not key.startswith("metrics.reporter.")}
        return conf | {"metrics.reporter.prom.port": ports}

    def _overrides(self) -> dict[str, str]:
        if self._settings.flink_rest:
            return self._external()
        flink = self._home.path / "flink"
        addresses = ("jobmanager.rpc.address", "jobmanager.bind-host", "taskmanager.host", "taskmanager.bind-host")
        return (
            dict.fromkeys([*addresses, "rest.address", "rest.bind-address"], HOST)
            | {
                "jobmanager.rpc.port": str(self._choose_rpc_port()),
                "rest.port": str(self._settings.flink_port),
                "rest.bind-port": str(self._settings.flink_port),
                "io.tmp.dirs": str(flink / "tmp"),
                "execution.checkpointing.dir": (flink / "checkpoints").as_uri(),
                "execution.checkpointing.savepoint-dir": (flink / "savepoints").as_uri(),
                "python.client.executable": sys.executable,
                "python.executable": sys.executable,
                "python.pythonpath": _python_path(),
            }
            | self._s3()
        )

    def _s3(self) -> dict[str, str]:
        """Where S3 is, for a lake there; credentials and region are those of the environment."""
        if not self._settings.s3_endpoint:
            return {}
        # A server of one's own has no names of hosts for buckets. After a crash Flink completes files again that are
        # complete already; what a server answers then may be retried, with the default for two minutes a file.
        found = {"s3.endpoint": self._settings.s3_endpoint, "s3.path.style.access": "true"}
        return found | {"s3.retry.limit": "3"}

    def _external(self) -> dict[str, str]:
        """Only what the client needs: an existing cluster has folders, addresses and a Python of its own."""
        url = urlsplit(self._settings.flink_address)
        if not url.hostname:
            message = f"DRIFTLINE_FLINK_REST: expected http://host:port, not {self._settings.flink_rest!r}"
            raise StackError(message)
        secure = url.scheme == "https"
        port = str(url.port or (443 if secure else 80))
        found = {"rest.address": url.hostname, "rest.port": port, "python.client.executable": sys.executable}
        found["jobmanager.rpc.address"] = url.hostname
        if secure:
            found["security.ssl.rest.enabled"] = "true"
        if url.hostname in ("localhost", HOST):  # the same machine, so the same Python is there
            found |= {"python.executable": sys.executable, "python.pythonpath": _python_path()}
        return found

    def _choose_rpc_port(self) -> int:
        record = load_record(self._home.run, JOB_MANAGER)
        running = record is not None and record.process() is not None
        return record.peer_port if record is not None and running else free_ports(1)[0]

    def _link_jars(self) -> None:
        """Flink's jars, and what it needs beside them: the Kafka connector, the Parquet format, and flink-python.

        With flink-python only in the job's own class loader, the second thread-mode job of a TaskManager fails
        (FLINK-37727).
        """
        flink = pyflink()
        jars = [*(flink / "lib").glob("*.jar"), *(flink / "opt").glob("flink-python-*.jar")]
        jars += [artifacts.kafka_connector(), *artifacts.parquet_format()]
        _link(self.lib_dir, {jar.name: jar for jar in jars})

    def _link_plugins(self) -> None:
        """Flink's plugins, and that for S3 where the lake is there: it is as large as all else that is downloaded."""
        plugins = {folder.name: folder for folder in (pyflink() / "plugins").iterdir() if folder.is_dir()}
        if self._settings.lake_address.startswith("s3://") and not self._settings.flink_rest:
            plugins["s3-fs-hadoop"] = artifacts.jars(artifacts.S3_PLUGIN)
        _link(self.plugins_dir, plugins)

    def _write_conf(self, conf: Mapping[str, str]) -> None:
        self.conf_dir.mkdir(exist_ok=True)
        lines = [f"# Written by driftline from {CONF_SOURCE.resolve()}; changes are lost."]
        lines += [f"{key}: {json.dumps(value)}" for key, value in sorted(conf.items())]
        _replace(self.conf_dir / "config.yaml", "\n".join(lines) + "\n")
        for name in ("log4j-cli.properties", "log4j-console.properties", "log4j-session.properties"):  # for bin/flink
            _replace(self.conf_dir / name, (pyflink() / "conf" / name).read_text())


def _link(folder: Path, wanted: Mapping[str, Path]) -> None:
    """Let a folder hold links by these names to these places, and nothing else."""
    folder.mkdir(exist_ok=True)
    for link in folder.iterdir():
        if link.name not in wanted or not link.is_symlink() or link.readlink() != wanted[link.name]:
            link.unlink()
    for name, place in wanted.items():
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(place)


def read_conf(path: Path) -> dict[str, str]:
    """A Flink configuration, flat or nested, as flat keys. Raises StackError when it is no such file."""
    from ruamel.yaml import YAML  # most commands do not need it

    try:
        loaded = YAML(typ="safe", pure=True).load(path.read_text())
    except Exception as error:
        message = f"cannot read {path}: {error}"
        raise StackError(message) from error
    if not isinstance(loaded, dict):
        message = f"cannot read {path}: expected keys and values"
        raise StackError(message)
    return _flatten(loaded)


def pyflink() -> Path:
    """The folder of the pyflink package, which is also Flink's home."""
    package = importlib.util.find_spec("pyflink")
    if package is None or package.origin is None:
        message = "apache-flink is not installed; run: pip install 'driftline[jobs]'"
        raise StackError(message)
    return Path(package.origin).parent


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat |= _flatten(value, f"{name}.")
        elif isinstance(value, list):
            flat[name] = ";".join(map(str, value))
        else:
            flat[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return flat


def _ask_flink(command: str, conf_dir: Path) -> tuple[list[str], list[str]]:
    """Let Flink derive the memory pools from the configuration. Raises StackError with its complaint."""
    flink = pyflink()
    class_path = [flink / "bin" / "bash-java-utils.jar", *(flink / "lib").glob("flink-dist-*.jar")]
    run = [java(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-classpath", os.pathsep.join(map(str, class_path))]
    run += ["org.apache.flink.runtime.util.bash.BashJavaUtils", command, "--configDir", str(conf_dir)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    results = [line.removeprefix(_RESULT) for line in done.stdout.splitlines() if line.startswith(_RESULT)]
    try:
        jvm, dynamic = results
    except ValueError:
        causes = [line for line in (done.stdout + done.stderr).splitlines() if "Exception" in line]
        message = f"Flink does not accept {CONF_SOURCE.resolve()}: {causes[-1] if causes else 'no reason given'}"
        raise StackError(message) from None
    return jvm.split(), dynamic.split()


def _python_path() -> str:
    """What thread-mode Python must find: it starts without the site module, so editable installs are not seen."""
    folders = [str(pyflink().parent), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(ROOT)]
    return os.pathsep.join(dict.fromkeys(folders))


def _replace(path: Path, text: str) -> None:
    """Write a file that others may be reading, unless it says the same already."""
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    partial.write_text(text)
    partial.replace(path)
