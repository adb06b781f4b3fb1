"""What the settings of jobs have in common; the class of a job's own settings is made of these.

Light: the command line reads settings on machines that have neither Flink nor the core.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from driftline.errors import SettingError
from driftline.limits import NAMESPACE
from driftline.redis_url import RedisUrl, check_login, with_password
from driftline.settings import Settings
from driftline.topics import Topic

# What Flink may lack although the job needs it (jobs/flink/guards.py).
ALLOWABLE = ("no-checkpoint-dir", "no-checkpoint-interval", "no-restart-bound")


class JobSettings(Settings):
    """What every job can be told. A job has a class of its own below this one, whose `env_prefix` is its own as well.

    Where the stack knows a value, because a setting has the name of one of its services, `driftline submit` gives it.
    """

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", min_length=1, description="host:port of Kafka, as the cluster sees it"
    )
    namespace: str = Field(
        "main",
        pattern=f"^{NAMESPACE}$",
        description="namespace to write, that of Redis for scores; a job runs once in each",
    )
    parallelism: int = Field(1, ge=1, le=128, description="slots to use; one a TaskManager")
    allow: str = Field("", description=f"what Flink may lack: {', '.join(ALLOWABLE)}")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The names in `allow`."""
        return names_in(self.allow)

    def topic(self, topic: Topic) -> str:
        """Return the name of the topic that has this role for the job."""
        name: str = getattr(self, f"{topic.role}_topic", topic.name)
        return name

    def as_submitted(self) -> Self:
        """Return the settings with what is decided once, by what is there when the job is submitted."""
        return self

    @field_validator("allow")
    @classmethod
    def _allowable(cls, joined: str) -> str:
        return only_names_of(joined, ALLOWABLE)


class ScoreStoreSettings(JobSettings):
    """Of a job that keeps the scores of a namespace in Redis, and there its progress through the events topic, too.

    Of such a job one alone may be submitted to a namespace at a time, its past is looked at before, and `drain` and
    `promote` apply to it (JobSpec.keeps_scores).
    """

    redis_url: RedisUrl = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        min_length=1,
        description="URL of Redis (redis://, rediss://, redis+sentinel://), as the cluster sees it; a password in it "
        "becomes a part of the job",
    )
    redis_password_file: Path | None = Field(
        None, description="file with the password of Redis on every TaskManager, read when a task starts"
    )
    redis_retry_s: float = Field(30.0, ge=0, description="how long writes to Redis are retried before the job restarts")
    deleted_offsets: Literal["stop", "skip"] = Field(
        "stop", description="what a job does whose next events Kafka has deleted: stop, or go on at the oldest kept"
    )
    new_generation: bool = Field(
        False, description="a restored job takes its namespace back: its scores outrank those of jobs that began later"
    )

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        check_login(self.redis_url, self.redis_password_file)
        return self

    @property
    def redis_address(self) -> str:
        """The URL to connect with, password included: not to be shown. Raises SettingError without the file."""
        return with_password(self.redis_url.get_secret_value(), self.redis_password_file)


class ModelSettings(JobSettings):
    """Of a job that reads trained models."""

    models_dir: Path = Field(
        Path(".driftline/models"), description="folder of the trained models, as the TaskManagers see it"
    )
    model_poll_s: float = Field(1.0, gt=0, description="how often the models folder is looked at for a newer model")
    require_model: bool | None = Field(
        None,
        description="stop and retry rather than write scores without purchase_propensity; unset: true where whoever "
        "submits finds a current model in models_dir",
    )

    @property
    def has_model(self) -> bool:
        """Whether there is a current model now, as this machine sees the folder."""
        return (self.models_dir / "current").exists()

    def as_submitted(self) -> Self:
        """Return the settings with `require_model` decided: a model that is there now must not be missing later."""
        settings = super().as_submitted()
        if settings.require_model is not None:
            return settings
        return settings.model_copy(update={"require_model": settings.has_model})


def names_in(joined: str) -> tuple[str, ...]:
    """Return what is joined by commas, without blanks around."""
    return tuple(name for part in joined.split(",") if (name := part.strip()))


def only_names_of(joined: str, known: Sequence[str]) -> str:
    """Return what is joined by commas.

    Raises:
        ValueError: a name is not among the known ones.
    """
    if not set(names_in(joined)) <= set(known):
        message = f"should be names joined by commas, of: {', '.join(known)}"
        raise ValueError(message)
    return joined


def parse_assignments(arguments: Sequence[str]) -> dict[str, str]:
    """Read `--set NAME=VALUE ...` (the flag before each or once before several).

    Raises:
        SettingError: an argument is not an assignment.
    """
    values: dict[str, str] = {}
    for number, argument in enumerate((one for one in arguments if one != "--set"), 1):
        name, equals, value = argument.partition("=")
        if not equals or not name.isidentifier():  # the argument may be a value, and secret
            message = f"argument {number} of --set is not NAME=VALUE; example: --set block_ms=100"
            raise SettingError(message)
        values[name] = value
    return values
