"""The settings of the local stack and of the commands: where the services are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from console.client_settings import ClientSettings
from driftline.errors import SettingError
from driftline.limits import NAMESPACE
from driftline.redis_url import RedisUrl, check_login, with_password
from driftline.settings import Format, IsolationLevel, Settings, nearest
from driftline.topics import EVENTS
from jobs.register import JOBS
from serving.settings import ServeSettings

_OF_COMMANDS = ("REST_HOST", "REST_PORT")  # variables of flags that are no settings
_RETENTION_DAYS_MAX = 36_500
_MISSPELT = 0.85  # so similar are names with letters swapped or missing; others may belong to another program


class StackSettings(Settings):
    """Where the services are. `driftline up` starts those without an address."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_", frozen=True, validate_default=True, extra="ignore")
    _shown_as = "DRIFTLINE_{upper}"

    home: Path = Field(Path(".driftline"), description="folder of the local stack's data, logs and models")
    kafka_port: int = Field(9092, ge=1, le=65535, description="port of the local Kafka broker")
    redis_port: int = Field(6379, ge=1, le=65535, description="port of the local Redis")
    flink_port: int = Field(8081, ge=1, le=65535, description="port of the local Flink REST API and web UI")
    grpc_port: int = Field(50051, ge=1, le=65535, description="port of the local gRPC server")
    flink_metrics_ports: str = Field(
        "",
        pattern=r"^(\d{1,5}-\d{1,5})?$",
        description="ports FIRST-LAST at which the local Flink answers Prometheus, on every address; empty: none",
    )
    kafka_bootstrap: str = Field("", description="host:port of an existing Kafka; empty: the local broker")
    redis_url: RedisUrl = Field(
        SecretStr(""),
        description="redis://, rediss:// or redis+sentinel:// URL of an existing Redis; empty: the local one",
    )
    redis_password_file: Path | None = Field(None, description="file with that Redis's password; unset: as in the URL")
    flink_rest: str = Field("", description="http://host:port of an existing Flink REST API; empty: the local cluster")
    grpc_target: str = Field("", description="host:port of an existing gRPC server; empty: the local one")
    events_topic: str = Field(
        EVENTS.name, min_length=1, description="topic that events are published to and drained from"
    )
    events_format: Format = Field("protobuf", description="encoding of the values on the events topic")
    events_partitions: int = Field(4, ge=1, le=1000, description="partitions of the topics that `up` creates")
    events_retention_days: float = Field(
        -1, description="how long the events topic keeps events, by their own time; -1: for ever, as replays want it"
    )
    late_retention_days: float = Field(
        30, description="how long events.late keeps what came too late; -1: for ever. FORGET does not reach it"
    )
    dead_letter_retention_days: float = Field(
        30, description="how long events.dead-letter keeps what was rejected; -1: for ever. FORGET does not reach it"
    )
    sessions_retention_days: float = Field(
        -1, description="how long the topic sessions keeps closed sessions; -1: for ever. FORGET does not reach it"
    )
    segments_retention_days: float = Field(
        -1, description="how long the topic segments keeps changes; -1: for ever. FORGET does not reach it"
    )
    isolation_level: IsolationLevel = Field(
        "read_committed", description="whether the events of aborted and open transactions are read, too"
    )
    namespace: str = Field("", pattern=f"^({NAMESPACE})?$", description="Redis namespace to read; empty: the live one")
    declarations: Path | None = Field(
        None, description="folder of the project's declarations; unset: the retail set v1 that is shipped"
    )
    lake_url: str = Field(
        "", description="folder, file:///folder or s3://bucket/prefix of the lake; empty: the folder lake below home"
    )
    s3_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^/\s@]+/?)?$",
        description="http:// or https:// URL of a server that speaks S3; empty: that of AWS",
    )

    @field_validator("flink_rest")
    @classmethod
    def _no_login(cls, url: str) -> str:
        if "@" in url:
            message = "a user and a password are not sent, and would be shown"
            raise ValueError(message)
        return url

    @model_validator(mode="after")
    def _one_password(self) -> StackSettings:
        check_login(self.redis_url, self.redis_password_file)
        return self

    @field_validator("*")
    @classmethod
    def _some_time_or_for_ever(cls, days: Any, info: ValidationInfo) -> Any:
        if str(info.field_name).endswith("_retention_days") and not (days == -1 or 0 < days <= _RETENTION_DAYS_MAX):
            message = f"should be -1 or a number of days above 0, at most {_RETENTION_DAYS_MAX:,}"
            raise ValueError(message)
        return days

    @classmethod
    def _check_variable(cls, variable: str) -> None:
        """Raise SettingError for a misspelling, and for nothing else: other programs may use the same prefix."""
        name = variable.removeprefix(cls.prefix())
        others: list[type[Settings]] = [*(spec.settings for spec in JOBS.values()), ServeSettings, ClientSettings]
        if name == variable or variable.startswith(tuple(kind.prefix() for kind in others)):
            return  # not Driftline's, or checked by the class with that prefix
        known = [f"{kind.prefix()}{field.upper()}" for kind in (cls, *others) for field in kind.model_fields]
        names = [*_OF_COMMANDS, *(known_variable.removeprefix(cls.prefix()) for known_variable in known)]
        if name not in names and (meant := nearest(name, names, _MISSPELT)) is not None:
            message = f"unknown variable {variable!r}; did you mean {cls.prefix()}{meant}?"
            raise SettingError(message)

    @property
    def kafka_address(self) -> str:
        """Bootstrap servers, host:port[,host:port...]."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_port}"

    @property
    def redis_address(self) -> str:
        """The URL with its password, never to be shown. Raises SettingError if the password file is missing."""
        return with_password(self.redis_location, self.redis_password_file)

    @property
    def redis_location(self) -> str:
        """Redis URL as it was given, without the password of the file."""
        return self.redis_url.get_secret_value() or f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def flink_address(self) -> str:
        """Base URL of the Flink REST API, without a trailing slash."""
        return (self.flink_rest or f"http://127.0.0.1:{self.flink_port}").rstrip("/")

    @property
    def grpc_address(self) -> str:
        """host:port of the gRPC server."""
        return self.grpc_target or f"127.0.0.1:{self.grpc_port}"

    @property
    def lake_address(self) -> str:
        """Where the lake is: an absolute path, or the URL as it was given."""
        url = self.lake_url or str(self.home / "lake")
        return url if "://" in url else str(Path(url).absolute())

    @property
    def models_dir(self) -> Path:
        """Folder of the trained models; its file `current` names the one in use."""
        return self.home.absolute() / "models"


def serve_settings(given: Mapping[str, Any], stack: StackSettings) -> ServeSettings:
    """Return the gRPC server's settings; port, Redis and namespace are those of the stack unless they are set.

    Raises SettingError for the first invalid one.
    """
    settings: ServeSettings = ServeSettings.load(**given)
    changed: dict[str, object] = {
        "port": stack.grpc_port if settings.port is None else settings.port,
        "namespace": settings.namespace or stack.namespace,
    }
    if not settings.redis_url.get_secret_value():
        changed["redis_url"] = SecretStr(stack.redis_location)
        changed["redis_password_file"] = settings.redis_password_file or stack.redis_password_file
    return settings.model_copy(update=changed)
