"""`driftline up`, `status` and `down` with the real services: one stack for all, and small ones that lean on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from console.flink_rest import FlinkRest
from console.local import flink_client, flink_env, free_ports
from console.local.topics import topics
from console.settings import StackSettings
from tests.redis_server import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PORTS = ("DRIFTLINE_KAFKA_PORT", "DRIFTLINE_REDIS_PORT", "DRIFTLINE_FLINK_PORT", "DRIFTLINE_GRPC_PORT")
THREAD_MODE_JOB = """
from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment

def seen(value):
    print("seen", value, flush=True)
    return value

if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.from_collection([1, 2, 3], Types.INT()).map(seen, Types.INT()).print()
    env.execute("smoke")
"""


class Cli:
    """The command line with a home, ports and settings of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        own = ports | settings | {"DRIFTLINE_HOME": str(home)}
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")} | own

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), env=self.env, capture_output=True, text=True, check=False)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "console.cli", *arguments]

    def status(self) -> dict[str, dict[str, Any]]:
        return {service["name"]: service for service in json.loads(self("status", "--json").stdout)}

    def pids(self) -> dict[str, int]:
        return {name: service["pid"] for name, service in self.status().items()}

    def settings(self) -> StackSettings:
        prefix = "DRIFTLINE_"
        own = {name[len(prefix) :].lower(): value for name, value in self.env.items() if name.startswith(prefix)}
        loaded: StackSettings = StackSettings.load(**own)
        return loaded


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    made = Cli(tmp_path_factory.mktemp("stack") / "home")
    started = made("up", "--detach")
    try:
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        made("down")


@pytest.fixture
def beside(cli: Cli, tmp_path: Path) -> Iterator[Callable[..., Cli]]:
    """Stacks that use the services of the big one instead of starting them, except those named."""
    made: list[Cli] = []

    def make(*local: str) -> Cli:
        shared = {
            "DRIFTLINE_KAFKA_BOOTSTRAP": f"127.0.0.1:{cli.env['DRIFTLINE_KAFKA_PORT']}",
            "DRIFTLINE_REDIS_URL": f"redis://127.0.0.1:{cli.env['DRIFTLINE_REDIS_PORT']}/0",
            "DRIFTLINE_FLINK_REST": f"http://127.0.0.1:{cli.env['DRIFTLINE_FLINK_PORT']}",
            "DRIFTLINE_GRPC_TARGET": f"127.0.0.1:{cli.env['DRIFTLINE_GRPC_PORT']}",
        }
        made.append(Cli(tmp_path / f"home{len(made)}", **{k: v for k, v in shared.items() if k not in local}))
        return made[-1]

    yield make
    for one in made:
        one("down")


def slots(cli: Cli) -> int:
    return int(FlinkRest(f"http://127.0.0.1:{cli.env['DRIFTLINE_FLINK_PORT']}").get("/overview")["slots-total"])


def test_status_shows_every_service_with_its_pid(cli: Cli) -> None:
    status = cli("status")
    assert status.returncode == 0
    services = cli.status()
    assert list(services) == ["redis", "kafka", "jobmanager", "taskmanager-1", "grpc"]
    for service in services.values():
        assert service["state"] == "running"
        assert psutil.pid_exists(service["pid"])
        assert Path(service["log"]).is_file()
        assert service["address"] in status.stdout


def test_nothing_listens_beyond_loopback(cli: Cli) -> None:
    for pid in cli.pids().values():
        listening = [c for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert {connection.laddr.ip.removeprefix("::ffff:") for connection in listening} == {"127.0.0.1"}


def test_topics_are_as_the_contract_says(cli: Cli) -> None:
    from kafka import KafkaAdminClient  # noqa: PLC0415
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415

    settings = cli.settings()
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_address)
    try:
        described = {topic["name"]: topic for topic in admin.describe_topics(list(topics(settings)))}
        assert {len(topic["partitions"]) for topic in described.values()} == {settings.events_partitions}
        assert set(topics(settings)) == set(described)
        for name, wanted in topics(settings).items():
            found = str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]))
            assert all(value in found for value in wanted.values()), name
    finally:
        admin.close()


def test_up_again_changes_nothing(cli: Cli) -> None:
    before = cli.pids()
    again = cli("up")  # without --detach: there is nothing to wait for
    assert again.returncode == 0
    assert f"http://127.0.0.1:{cli.env['DRIFTLINE_FLINK_PORT']}" in again.stdout
    assert cli.pids() == before


def test_more_task_managers_join_and_a_killed_one_comes_back(cli: Cli) -> None:
    before = cli.pids()
    assert cli("up", "--detach", "--task-managers", "2").returncode == 0
    assert slots(cli) == 2
    grown = cli.pids()
    assert grown | before == grown

    os.kill(grown["taskmanager-2"], signal.SIGKILL)
    assert cli("status").returncode == 1
    assert cli.status()["taskmanager-2"]["state"] == "stopped"
    assert cli("up", "--detach").returncode == 0
    after = cli.pids()
    assert after.pop("taskmanager-2") != grown.pop("taskmanager-2")
    assert after == grown


def test_thread_mode_jobs_run_one_after_the_other(cli: Cli, tmp_path: Path) -> None:
    """The second one fails where flink-python is only in the job's class loader (FLINK-37727)."""
    job = tmp_path / "smoke.py"
    job.write_text(THREAD_MODE_JOB)
    settings = cli.settings()
    for _ in range(2):
        command = flink_client(settings, "run", "-py", str(job))
        done = subprocess.run(command, env=flink_env(settings), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    consoles = (cli.home / "logs").glob("taskmanager-*.out")
    assert sum(console.read_text().count("seen 3") for console in consoles) == 2


def test_a_taken_port_is_one_line_and_starts_nothing(cli: Cli, tmp_path: Path) -> None:
    port = cli.env["DRIFTLINE_KAFKA_PORT"]
    other = Cli(tmp_path / "other", DRIFTLINE_KAFKA_PORT=port)
    refused = other("up", "--detach")
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert f"port {port} (DRIFTLINE_KAFKA_PORT) is taken by pid {cli.pids()['kafka']} (java)" in line
    assert all(service["state"] == "stopped" for service in other.status().values())


def test_existing_services_are_used_and_not_stopped(cli: Cli, beside: Callable[..., Cli]) -> None:
    other = beside("DRIFTLINE_GRPC_TARGET")
    assert other("up", "--detach").returncode == 0
    assert {name: service["state"] for name, service in other.status().items()} == {
        "redis": "external",
        "kafka": "external",
        "jobmanager": "external",
        "grpc": "running",
    }
    assert other("down").stdout == "stopped grpc\n"
    assert cli("status").returncode == 0


def test_scores_outlive_down_and_up_but_not_purge(beside: Callable[..., Cli]) -> None:
    other = beside("DRIFTLINE_REDIS_URL")

    def kept() -> object:
        assert other("up", "--detach").returncode == 0
        with redis.Redis(port=int(other.env["DRIFTLINE_REDIS_PORT"])) as client:
            found = client.get("score")
            client.set("score", "1")
        return found

    assert kept() is None
    assert other("down").returncode == 0
    assert kept() == b"1"
    assert other("down", "--purge").returncode == 0
    assert kept() is None


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_stops_what_it_started(beside: Callable[..., Cli], ending: signal.Signals) -> None:
    other = beside("DRIFTLINE_REDIS_URL")
    with subprocess.Popen(other.command("up"), env=other.env, stderr=subprocess.PIPE, text=True) as foreground:
        assert foreground.stderr is not None
        wait_until(lambda: "Ctrl-C" in next(iter(foreground.stderr or [])), timeout_s=60)
        pid = other.pids()["redis"]
        foreground.send_signal(ending)
        assert foreground.wait(timeout=30) == 0
    assert not psutil.pid_exists(pid)
    assert other.status()["redis"]["state"] == "stopped"


def test_the_foreground_says_which_service_died(beside: Callable[..., Cli]) -> None:
    other = beside("DRIFTLINE_REDIS_URL")
    with subprocess.Popen(other.command("up"), env=other.env, stderr=subprocess.PIPE, text=True) as foreground:
        assert foreground.stderr is not None
        wait_until(lambda: "Ctrl-C" in next(iter(foreground.stderr or [])), timeout_s=60)
        os.kill(other.pids()["redis"], signal.SIGKILL)
        assert foreground.wait(timeout=30) == 1
        last = foreground.stderr.read()
    assert "redis stopped unexpectedly (signal 9)" in last
    assert "Ready to accept connections" in last  # the end of its log


def test_down_stops_everything_and_may_be_repeated(cli: Cli) -> None:
    pids = cli.pids().values()
    assert cli("down").returncode == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert cli("status").returncode == 1
    repeated = cli("down")
    assert (repeated.returncode, repeated.stdout) == (0, "nothing was running\n")
    assert cli("down", "--purge").returncode == 0
    assert not (cli.home / "kafka").exists()
