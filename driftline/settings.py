"""Every setting of Driftline, in one typed catalogue.

`StackSettings` says where the services are; each is an environment variable `DRIFTLINE_<NAME>`.
`ScoreEventsSettings` belongs to the job score-events: `driftline submit score-events --set NAME=VALUE`, or
`DRIFTLINE_JOB_<NAME>` in the environment of whoever submits; the flag wins.
`ServeSettings` belongs to the gRPC server: flags of `driftline serve`, or `DRIFTLINE_SERVE_<NAME>`; the flag wins.
`ClientSettings` say how `driftline scores` and `driftline rest` call it: `DRIFTLINE_CLIENT_<NAME>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from driftline.errors import SettingError

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

Format = Literal["protobuf", "json"]


class _Settings(BaseSettings):
    """Frozen, documented settings whose errors name the setting and what it accepts."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)
    _shown_as: ClassVar[str] = "{name}"

    @classmethod
    def load(cls, **given: Any) -> Any:
        """Read the settings from `given` and the environment. Raises SettingError on the first bad one."""
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingError(cls._explain(error)) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        problem = error.errors()[0]
        if not problem["loc"]:
            return str(problem["ctx"]["error"]) if "ctx" in problem else problem["msg"]
        name = str(problem["loc"][0])
        if problem["type"] == "extra_forbidden":
            return f"unknown setting {name!r}; known are: {', '.join(cls.model_fields)}"
        shown = cls._shown_as.format(name=name, upper=name.upper())
        about = cls.model_fields[name].description or ""
        return f"{shown}: {problem['msg'].removeprefix('Value error, ')}, not {problem['input']!r} ({about})"


class StackSettings(_Settings):
    """Where the services are. `driftline up` starts the ones that no address points to."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_", frozen=True, validate_default=True, extra="ignore")
    _shown_as = "DRIFTLINE_{upper}"

    home: Path = Field(Path(".driftline"), description="folder of the local stack's data, logs and models")
    kafka_port: int = Field(9092, ge=1, le=65535, description="port of the local Kafka broker")
    redis_port: int = Field(6379, ge=1, le=65535, description="port of the local Redis")
    flink_port: int = Field(8081, ge=1, le=65535, description="port of the local Flink REST API and web UI")
    grpc_port: int = Field(50051, ge=1, le=65535, description="port of the local gRPC server")
    kafka_bootstrap: str = Field("", description="host:port of an existing Kafka; empty: the local broker")
    redis_url: str = Field("", description="redis:// URL of an existing Redis; empty: the local one")
    flink_rest: str = Field("", description="http://host:port of an existing Flink REST API; empty: the local cluster")
    grpc_target: str = Field("", description="host:port of an existing gRPC server; empty: the local one")
    events_topic: str = Field("events", min_length=1, description="topic that events are published to and drained from")
    events_format: Format = Field("protobuf", description="encoding of the values on the events topic")
    events_partitions: int = Field(4, ge=1, le=1000, description="partitions of the topics that `up` creates")
    namespace: str = Field(
        "", pattern=r"^[A-Za-z0-9_.-]{0,64}$", description="Redis namespace to read; empty: the live one"
    )

    @property
    def kafka_address(self) -> str:
        """Bootstrap servers, host:port[,host:port...]."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_port}"

    @property
    def redis_address(self) -> str:
        """Redis URL."""
        return self.redis_url or f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def flink_address(self) -> str:
        """Base URL of the Flink REST API, without a trailing slash."""
        return (self.flink_rest or f"http://127.0.0.1:{self.flink_port}").rstrip("/")

    @property
    def grpc_address(self) -> str:
        """host:port of the gRPC server."""
        return self.grpc_target or f"127.0.0.1:{self.grpc_port}"

    @property
    def models_dir(self) -> Path:
        """Folder of the trained models; its file `current` names the one in use."""
        return self.home.absolute() / "models"


class ScoreEventsSettings(_Settings):
    """The settings of the job score-events."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_JOB_", frozen=True, validate_default=True, extra="forbid")
    _shown_as = "{name}"

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", min_length=1, description="host:port of Kafka, as the cluster sees it"
    )
    redis_url: str = Field("redis://127.0.0.1:6379/0", min_length=1, description="Redis URL, as the cluster sees it")
    models_dir: Path = Field(
        Path(".driftline/models"), description="folder of the trained models, as the TaskManagers see it"
    )
    events_topic: str = Field("events", min_length=1, description="input topic")
    dead_letter_topic: str = Field("events.dead-letter", min_length=1, description="topic of dead letters")
    late_topic: str = Field("events.late", min_length=1, description="topic of late events")
    sessions_topic: str = Field("sessions", min_length=1, description="topic of closed sessions")
    scores_topic: str = Field("scores", min_length=1, description="changelog topic of scores")
    events_format: Format = Field("protobuf", description="encoding of the values on the input topic")
    group_id: str = Field("driftline-score-events", min_length=1, description="Kafka consumer group, for monitoring")
    namespace: str = Field("main", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Redis namespace to write")
    parallelism: int = Field(1, ge=1, le=128, description="slots to use; one a TaskManager")
    shards: int = Field(
        8,
        ge=1,
        le=128,
        description="groups of users whose events are folded together, a power of two; the most slots the job can ever "
        "use; fixed once it has state",
    )
    block_ms: int = Field(50, ge=5, le=10_000, description="how long a shard's events gather before they are folded")
    block_events_max: int = Field(
        1_000, ge=1, le=100_000, description="events folded, scored and written at a time; a larger block is split"
    )
    disorder_ms: int = Field(MINUTE_MS, ge=0, description="how far behind the user's newest event one may arrive")
    dedupe_horizon_ms: int = Field(DAY_MS, ge=0, description="how long, in event time, event ids are remembered")
    dedupe_ids_max: int = Field(4_096, ge=1, description="event ids remembered a user")
    clock_skew_ms_max: int = Field(5 * MINUTE_MS, ge=0, description="how far an event may be ahead of its Kafka record")
    session_gap_ms: int = Field(30 * MINUTE_MS, ge=1, description="pause that ends a session")
    user_ttl_ms: int = Field(90 * DAY_MS, ge=MINUTE_MS, description="idle time after which a user is forgotten")
    tail_events_max: int = Field(2_000, ge=1, description="uncommitted events kept a user")
    categories_max: int = Field(32, ge=10, le=1_000, description="categories whose affinity is kept a user")
    users_kept_max: int = Field(10_000, ge=0, description="users kept decoded in memory, an operator; about 3 KB each")
    event_bytes_max: int = Field(262_144, ge=1_024, description="size of the largest event that is decoded")
    redis_retry_s: float = Field(30.0, ge=0, description="how long writes to Redis are retried before the job restarts")
    model_poll_s: float = Field(1.0, gt=0, description="how often the models folder is looked at for a newer model")

    @field_validator("shards")
    @classmethod
    def _power_of_two(cls, shards: int) -> int:
        if shards & (shards - 1):
            message = "should be 1, 2, 4, 8, 16, 32, 64 or 128"
            raise ValueError(message)
        return shards

    @model_validator(mode="after")
    def _ordered(self) -> ScoreEventsSettings:
        for larger, smaller in (
            ("dedupe_horizon_ms", "disorder_ms"),  # else a duplicate inside the bound could be forgotten
            ("session_gap_ms", "disorder_ms"),  # else a tail could hold several whole sessions
            ("user_ttl_ms", "session_gap_ms"),
            ("dedupe_ids_max", "tail_events_max"),  # else a repeat of an event that still waits could be folded again
            ("user_ttl_ms", "dedupe_horizon_ms"),
            ("shards", "parallelism"),  # else slots would stay empty
        ):
            if getattr(self, larger) < getattr(self, smaller):
                message = (
                    f"{larger} ({getattr(self, larger)}) must not be less than {smaller} ({getattr(self, smaller)})"
                )
                raise ValueError(message)
        return self


class ServeSettings(_Settings):
    """The settings of the gRPC server. Bounds hold for each worker process."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_SERVE_", frozen=True, validate_default=True, extra="forbid")
    _shown_as = "DRIFTLINE_SERVE_{upper}"

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: int | None = Field(None, ge=0, le=65535, description="port; 0 takes a free one; unset: DRIFTLINE_GRPC_PORT")
    workers: int = Field(
        1, ge=1, le=256, description="processes that share the port; one a core is the most that helps"
    )
    redis_url: str = Field(
        "",
        description="URL of Redis, of Sentinel (redis+sentinel://) or of a Cluster (redis+cluster://); empty: "
        "DRIFTLINE_REDIS_URL, else the local one",
    )
    namespace: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]{0,64}$",
        description="namespace to read; empty: DRIFTLINE_NAMESPACE, else the live one",
    )
    read_from_replicas: bool = Field(
        False, description="read from a replica where Sentinel or Cluster names one; it may lag behind"
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
    breaker_failures: int = Field(
        3, ge=1, le=1_000, description="failed reads in a row after which Redis is left alone"
    )
    breaker_reset_ms: int = Field(
        250, ge=10, le=60_000, description="how long it is left alone before one read tries it again"
    )
    serve_stale: bool = Field(
        False, description="while Redis is away, answer with the last scores seen, marked stale, instead of UNAVAILABLE"
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

    def resolved(self, stack: StackSettings) -> ServeSettings:
        """With port, Redis and namespace of the stack where they are not set."""
        return self.model_copy(
            update={
                "port": stack.grpc_port if self.port is None else self.port,
                "redis_url": self.redis_url or stack.redis_address,
                "namespace": self.namespace or stack.namespace,
            }
        )


class ClientSettings(_Settings):
    """How the commands call the gRPC server; its address is DRIFTLINE_GRPC_TARGET."""

    model_config = SettingsConfigDict(
        env_prefix="DRIFTLINE_CLIENT_", frozen=True, validate_default=True, extra="forbid"
    )
    _shown_as = "DRIFTLINE_CLIENT_{upper}"

    token: SecretStr = Field(SecretStr(""), description="bearer token to send; empty: none")
    tls: bool = Field(False, description="encrypt; on wherever one of those below is set")
    ca_file: Path | None = Field(None, description="PEM of the authority that signed the server's certificate")
    cert_file: Path | None = Field(None, description="PEM of this client's certificate, for mutual TLS")
    key_file: Path | None = Field(None, description="PEM of the key of cert_file")
    server_name: str = Field("", description="name in the server's certificate, where it is called by another")

    @model_validator(mode="after")
    def _complete(self) -> ClientSettings:
        if (self.cert_file is None) != (self.key_file is None):
            message = "DRIFTLINE_CLIENT_CERT_FILE and DRIFTLINE_CLIENT_KEY_FILE need each other"
            raise ValueError(message)
        return self


def parse_assignments(arguments: Sequence[str]) -> dict[str, str]:
    """Read `--set NAME=VALUE ...` (the flag before each or once before several).

    Raises:
        SettingError: an argument is not an assignment.
    """
    values: dict[str, str] = {}
    for argument in arguments:
        if argument == "--set":
            continue
        name, equals, value = argument.partition("=")
        if not equals or not name.isidentifier():
            message = f"{argument!r} is not NAME=VALUE; example: --set block_ms=100"
            raise SettingError(message)
        values[name] = value
    return values
