"""The local stack: Kafka, Redis, a Flink session cluster and the gRPC server, below one folder.

`Stack` starts and stops it; `flink_env` and `flink_client` submit jobs to its cluster, or to the one that
DRIFTLINE_FLINK_REST points to.
"""

from driftline.stack.client import flink_client, flink_env
from driftline.stack.ports import free_ports
from driftline.stack.redis import memory_warning
from driftline.stack.service import ServiceStatus
from driftline.stack.stack import Stack

__all__ = ["ServiceStatus", "Stack", "flink_client", "flink_env", "free_ports", "memory_warning"]
