"""The local Kafka: one process that is broker and KRaft controller."""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path

from console.local.artifacts import KAFKA, jars
from console.local.logs import rotate
from console.local.ports import HOST, PortClaim, free_ports, is_open, split_address
from console.local.process import ProcessRecord
from console.local.service import LOG_CONFIG, Launch, NotReady, Service, java
from console.local.topics import topic_names
from driftline.errors import StackError
from driftline.topics import MESSAGE_BYTES_MAX

_PROPERTIES = """\
# Written by `driftline up`; changes are lost.
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={data}
# A mistyped topic is an error, not a new topic.
auto.create.topics.enable=false
# One broker holds the only replica of everything, Kafka's own topics included; few partitions make it start quickly.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# Large enough to let an oversized event through to the job, which turns it into a dead letter.
message.max.bytes={message_bytes_max}
replica.fetch.max.bytes={message_bytes_max}
# Events carry their own time as record timestamp, in the past or, from a wrong clock, in the future: the job decides.
log.retention.ms=-1
log.message.timestamp.after.max.ms=9223372036854775807
# The default of 128 MiB would be a quarter of the heap.
log.cleaner.dedupe.buffer.size=33554432
"""

# The quick compiler alone: the start takes 4 s of CPU time instead of 8, and a broker mostly waits for the system.
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Kafka(Service):
    """Apache Kafka from its Maven artifacts; its storage is formatted before the first start."""

    name = "kafka"
    artifacts = (KAFKA,)

    @property
    def external(self) -> bool:
        """Whether DRIFTLINE_KAFKA_BOOTSTRAP points to an existing Kafka."""
        return bool(self.settings.kafka_bootstrap)

    @property
    def address(self) -> str:
        """Bootstrap servers."""
        return self.settings.kafka_address

    @property
    def claim(self) -> PortClaim | None:
        """The port clients connect to."""
        return PortClaim(self.settings.kafka_port, "DRIFTLINE_KAFKA_PORT")

    def prepare(self) -> None:
        """Write its configuration, and format its storage where that has not been done."""
        data = self.home.folder("kafka") / "data"
        rotate(self.log)
        self._controller_port = free_ports(1)[0]
        self._properties.write_text(
            _PROPERTIES.format(
                host=HOST,
                port=self.settings.kafka_port,
                controller_port=self._controller_port,
                data=data,
                message_bytes_max=MESSAGE_BYTES_MAX,
            )
        )
        if not (data / "meta.properties").exists():
            self._format()

    def launch(self) -> Launch:
        """The broker in the foreground."""
        command = [*self._java("-Xms256m", "-Xmx512m", log=self.log), "kafka.Kafka", str(self._properties)]
        return Launch(command, self.settings.kafka_port, self._controller_port)

    def probe(self, record: ProcessRecord | None) -> None:
        """Ask for the cluster's metadata."""
        addresses = [split_address(part, "DRIFTLINE_KAFKA_BOOTSTRAP") for part in self.address.split(",")]
        if not any(is_open(host, port) for host, port in addresses):
            message = f"nothing listens at {self.address}"
            raise NotReady(message)
        topic_names(self.settings)

    @property
    def _properties(self) -> Path:
        return self.home.path / "kafka" / "server.properties"

    def _java(self, *options: str, log: Path) -> list[str]:
        logging = [f"-Dlog.file={log}", f"-Dlog4j2.configurationFile={LOG_CONFIG.as_uri()}"]
        return [java(), *_JVM, *options, *logging, "-cp", f"{jars(KAFKA)}/*"]

    def _format(self) -> None:
        command = self._java(log=self.home.logs / "kafka-format.log")
        command += ["kafka.tools.StorageTool", "format", f"--cluster-id={_cluster_id()}"]
        command += ["--config", str(self._properties), "--ignore-formatted"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            message = f"cannot format Kafka's storage in {self.home.path / 'kafka'}: {' '.join(last)}"
            raise StackError(message)


def _cluster_id() -> str:
    """A random id in Kafka's form: 16 bytes, base64 without padding, and no leading dash."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id
