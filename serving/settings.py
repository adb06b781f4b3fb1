"""The settings of the gRPC server."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from driftline.limits import NAMESPACE
from driftline.redis_url import RedisUrl, check_login, with_password
from driftline.settings import Settings


class ServeSettings(Settings):
    """The settings of the gRPC server. Bounds hold for each worker process."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_SERVE_", frozen=True, validate_default=True, extra="forbid")
    _shown_as = "DRIFTLINE_SERVE_{upper}"

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: int | None = Field(None, ge=0, le=65535, description="port; 0 takes a free one; unset: DRIFTLINE_GRPC_PORT")
    workers: int = Field(
        1, ge=1, le=256, description="processes that share the port; one a core is the most that helps"
    )
    redis_url: RedisUrl = Field(
        SecretStr(""),
        description="URL of Redis, of Sentinel (redis+sentinel://) or of a Cluster (redis+cluster://); empty: "
        "DRIFTLINE_REDIS_URL, else the local one",
    )
    redis_password_file: Path | None = Field(
        None, description="file with the password of Redis, read at the start; unset: as in the URL"
    )
    namespace: str = Field(
        "",
        pattern=f"^({NAMESPACE})?$",
        description="namespace to read; empty: DRIFTLINE_NAMESPACE, else the live one",
    )
    read_from_replicas: bool = Field(
        False, description="read from a replica where Sentinel or Cluster names one; it may lag behind"
    )
    replica_cut_off_s_max: float = Field(
        10.0,
        gt=0,
        description="how long a replica may be out of its master's reach before it counts as an outage and the URL's "
        "name is looked up again; not asked with read_from_replicas",
    )
    redis_timeout_ms: int = Field(
        300,
        ge=5,
        le=60_000,
        description="longest wait for Redis, connecting included; a call fails or is stale after it",
    )
    in_flight_max: int = Field(
        1_000, ge=1, le=100_000, description="calls answered at a time; one more is RESOURCE_EXHAUSTED at once"
    )
    client_in_flight_max: int = Field(
        500,
        ge=1,
        le=100_000,
        description="of in_flight_max, what one client may have: by name where tokens are on, else by address",
    )
    connections_max: int = Field(1_000, ge=1, le=1_000_000, description="connections; one more is closed at once")
    connection_streams_max: int = Field(
        200,
        ge=1,
        le=100_000,
        description="calls and watches of one connection at a time; the client holds back the rest",
    )
    connection_idle_s_max: float = Field(600.0, ge=1, le=86_400, description="age of a connection without calls")
    connection_age_s_max: float = Field(
        3_600.0,
        ge=1,
        le=2_000_000,
        description="age of a connection, give or take a tenth; clients then connect again, which spreads them anew",
    )
    connection_age_grace_s: float = Field(
        60.0, ge=0.1, le=86_400, description="how long calls and watches of such a connection may go on; then they end"
    )
    request_wait_ms: int = Field(
        10_000,
        ge=10,
        le=600_000,
        description="longest wait for the message of a call that has begun, and for a connection's handshake",
    )
    breaker_failures: int = Field(
        3, ge=1, le=1_000, description="failed reads in a row after which Redis is left alone"
    )
    breaker_reset_ms: int = Field(
        250, ge=10, le=60_000, description="how long it is left alone before one read tries it again"
    )
    login_retry_ms: int = Field(
        5_000,
        ge=10,
        le=600_000,
        description="how long a Redis that refuses our login is left alone: a change of users or settings heals it",
    )
    serve_stale: bool = Field(
        False,
        description="while Redis is down, answer with the last scores seen, marked stale, instead of UNAVAILABLE",
    )
    stale_entries_max: int = Field(100_000, ge=1, description="users remembered for that; about 1 KB each")
    stale_age_s_max: float = Field(3_600.0, gt=0, description="age after which remembered scores are not served")
    watch_poll_ms: int = Field(
        75, ge=5, le=10_000, description="how often watched users are looked at; 75 keeps a push within 200 ms"
    )
    watched_users_max: int = Field(
        5_000,
        ge=1,
        le=1_000_000,
        description="users watched at a time, counted once a stream; more: RESOURCE_EXHAUSTED",
    )
    client_watched_users_max: int = Field(
        2_500,
        ge=1,
        le=1_000_000,
        description="of watched_users_max, what one client may have: by name where tokens are on, else by address",
    )
    watch_reads_s_max: int = Field(
        20_000,
        ge=1,
        le=10_000_000,
        description="commands a second that looks at watched users may cost Redis; beyond, looks come less often",
    )
    listings_max: int = Field(
        32,
        ge=1,
        le=10_000,
        description="listings of segments' members at a time; one more is RESOURCE_EXHAUSTED at once",
    )
    client_listings_max: int = Field(
        8,
        ge=1,
        le=10_000,
        description="of listings_max, what one client may have: by name where tokens are on, else by address",
    )
    request_bytes_max: int = Field(
        262_144, ge=1_024, le=67_108_864, description="size of the largest request; a larger one is RESOURCE_EXHAUSTED"
    )
    grace_s: float = Field(5.0, ge=0, le=3_600, description="how long running calls may take at a shutdown")
    tls_cert: Path | None = Field(None, description="PEM of the server's certificate chain; unset: no TLS")
    tls_key: Path | None = Field(None, description="PEM of the key of tls_cert, not encrypted")
    tls_client_ca: Path | None = Field(
        None, description="PEM of the authority of client certificates; where set, every client must show one"
    )
    tokens_file: Path | None = Field(None, description="TOML of clients, tokens and rights; unset: all may call all")
    client_from_certificate: bool = Field(
        False, description="a client without a token is the one that its certificate's common name names"
    )
    log_user_ids: bool = Field(False, description="show user ids in logs; off: keyed hashes of them")
    log_secret: SecretStr = Field(
        SecretStr(""), description="key of those hashes; empty: a random one each worker, so hashes differ between them"
    )
    metrics_host: str = Field("127.0.0.1", min_length=1, description="address of the Prometheus endpoint")
    metrics_port: int | None = Field(None, ge=0, le=65535, description="its port; 0 takes a free one; unset: none")
    metrics_tls_cert: Path | None = Field(None, description="PEM of its certificate chain; unset: no TLS")
    metrics_tls_key: Path | None = Field(None, description="PEM of the key of metrics_tls_cert, not encrypted")
    metrics_tls_client_ca: Path | None = Field(
        None, description="PEM of the authority of Prometheus's certificate; where set, it must show one"
    )

    @model_validator(mode="after")
    def _complete(self) -> ServeSettings:
        check_login(self.redis_url, self.redis_password_file)
        for setting, needed in (
            ("tls_cert", "tls_key"),
            ("tls_key", "tls_cert"),
            ("tls_client_ca", "tls_cert"),
            ("metrics_tls_cert", "metrics_tls_key"),
            ("metrics_tls_key", "metrics_tls_cert"),
            ("metrics_tls_client_ca", "metrics_tls_cert"),
            ("client_from_certificate", "tls_client_ca"),
            ("client_from_certificate", "tokens_file"),
        ):
            if getattr(self, setting) and not getattr(self, needed):
                message = f"{setting} needs {needed}"
                raise ValueError(message)
        return self

    @property
    def redis_address(self) -> str:
        """The URL to connect with, password included: not to be shown. Raises SettingError without the file."""
        return with_password(self.redis_url.get_secret_value(), self.redis_password_file)
