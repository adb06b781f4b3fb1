"""The local stack: Kafka, Redis, a Flink session cluster and the gRPC server, below one folder.

`Stack` starts and stops it; `flink_env` and `flink_client` submit jobs to its cluster, or to the one that
DRIFTLINE_FLINK_REST points to.
"""

from console.local.client import flink_client, flink_env
from console.local.ports import free_ports
from console.local.redis import memory_warning
from console.local.service import ServiceStatus
from console.local.stack import Stack

__all__ = ["ServiceStatus", "Stack", "flink_client", "flink_env", "free_ports", "memory_warning"]
