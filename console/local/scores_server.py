"""The local gRPC server: `driftline serve` in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from console.local.flink_conf import ROOT
from console.local.ports import PortClaim, is_open, split_address
from console.local.process import ProcessRecord
from console.local.service import Launch, NotReady, Service

_NO_PROXY = [("grpc.enable_http_proxy", 0)]  # an http_proxy in the environment is not for loopback


class ScoresServer(Service):
    """Answers ScoreService; stateless, so it may be killed and started at any time."""

    name = "grpc"

    @property
    def external(self) -> bool:
        """Whether DRIFTLINE_GRPC_TARGET points to an existing server."""
        return bool(self.settings.grpc_target)

    @property
    def address(self) -> str:
        """host:port."""
        return self.settings.grpc_address

    @property
    def claim(self) -> PortClaim | None:
        """The port clients connect to."""
        return PortClaim(self.settings.grpc_port, "DRIFTLINE_GRPC_PORT")

    @property
    def console(self) -> Path:
        """It logs to standard error."""
        return self.log

    def prepare(self) -> None:
        """Nothing to bring."""

    def launch(self) -> Launch:
        """The command, with the settings of this stack."""
        env = self.settings.as_environment()
        env["DRIFTLINE_HOME"] = str(self.home.path)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env["PYTHONUNBUFFERED"] = "1"  # what it writes before it dies must reach the log
        return Launch([sys.executable, "-m", "console.cli", "serve"], self.settings.grpc_port, env=env)

    def probe(self, record: ProcessRecord | None) -> None:
        """Ask the standard health service, where its client is installed, else connect."""
        host, port = split_address(self.address, "DRIFTLINE_GRPC_TARGET")
        if not is_open(host, port):
            message = f"nothing listens at {self.address}"
            raise NotReady(message)
        try:
            import grpc  # the extra `serving` may not be installed
            from grpc_health.v1 import health_pb2, health_pb2_grpc
        except ImportError:
            return
        with grpc.insecure_channel(self.address, options=_NO_PROXY) as channel:
            try:
                reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=3)
            except grpc.RpcError as error:
                message = f"its health service says {error.code().name}"
                raise NotReady(message) from None
        if reply.status != health_pb2.HealthCheckResponse.SERVING:
            message = "its health service does not say SERVING"
            raise NotReady(message)
