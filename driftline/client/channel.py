"""How both clients connect: options of the channel, retries, TLS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import grpc

from driftline.errors import InputError
from driftline.pem import read_authority, read_pair
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.units import MIB

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["ScoreService"].full_name

# gRPC itself retries, and only UNAVAILABLE: the call was not answered, so asking again is safe and may help. Three
# retries within 20 to 200 ms bridge the restart of one of several servers, and fit into the default deadline.
RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.02s",
    "backoffMultiplier": 3,
    "maxBackoff": "0.2s",
    "retryableStatusCodes": ["UNAVAILABLE"],
}
# The budget: a failure takes one token, a success returns a tenth; at half of the tokens retries stop. So an outage is
# met with at most 5 retries, then one attempt a call, until calls succeed again.
RETRY_BUDGET = {"maxTokens": 10, "tokenRatio": 0.1}

MESSAGE_BYTES_MAX = 16 * MIB  # 1,000 users with the longest ids and categories take under 5 MB


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Encrypts, and verifies the server. With `cert_file` and `key_file` the server can verify the client too.

    Files are PEM. Without `ca_file`, the CAs that gRPC trusts by itself. `server_name` overrides the name that the
    server's certificate must carry, where it is reached under another one.
    """

    ca_file: Path | str | None = None
    cert_file: Path | str | None = None
    key_file: Path | str | None = None
    server_name: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises InputError where one cannot be used, or a certificate lacks its key."""
        ca = None if self.ca_file is None else read_authority("ca_file", Path(self.ca_file), InputError)
        if self.cert_file is None and self.key_file is None:
            return grpc.ssl_channel_credentials(ca)
        if self.cert_file is None or self.key_file is None:
            message = "Tls: cert_file and key_file belong together"
            raise InputError(message)
        names = ("cert_file", "key_file")
        cert, key = read_pair(names, Path(self.cert_file), Path(self.key_file), InputError)
        return grpc.ssl_channel_credentials(ca, private_key=key, certificate_chain=cert)


def channel_options(tls: Tls | None) -> list[tuple[str, str | int]]:
    """The arguments of the channel."""
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", service_config()),
        ("grpc.enable_http_proxy", 0),  # a proxy in the environment is not for the score server
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        # A silent watch on a dead connection must end: ask for a sign of life, and allow pings without data.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        # gRPC waits a second, then up to two minutes, before it connects again; a restart takes less.
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]
    if tls is not None and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return options


def service_config() -> str:
    """The service config, in gRPC's JSON: every address of the name in turn, retries and their budget."""
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [{"name": [{"service": SERVICE_NAME}], "retryPolicy": RETRY_POLICY}],
            "retryThrottling": RETRY_BUDGET,
        }
    )
