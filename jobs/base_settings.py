"""The settings that jobs have in common; a job's own settings inherit from these classes.

This module must import neither Flink nor the core: the command line reads settings on machines without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.errors import ModelError, SettingError
from driftline.limits import NAMESPACE
from driftline.model_files import CURRENT, ROOT, files_at, why
from driftline.redis_url import RedisUrl, check_login, with_password
from driftline.settings import Settings
from driftline.topics import Topic

# Names of the checks of Flink's configuration that a submission may skip (jobs/flink/guards.py).
ALLOWABLE = ("no-checkpoint-dir", "no-checkpoint-interval", "no-restart-bound")


class JobSettings(Settings):
    """The settings of every job. Each job has a subclass with an `env_prefix` of its own.

    Settings that are named like a service of the stack, `driftline submit` fills in from the stack.
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
        """Return the settings with everything that is decided once, when the job is submitted."""
        return self

    @field_validator("allow")
    @classmethod
    def _allowable(cls, joined: str) -> str:
        return only_names_of(joined, ALLOWABLE)


class ScoreStoreSettings(JobSettings):
    """The settings of a job that keeps the scores of a namespace in Redis, and its progress through the events topic.

    Only one such job may be submitted to a namespace at a time; its earlier runs are checked first, and `drain` and
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
        """The URL with its password, never to be shown. Raises SettingError if the password file is missing."""
        return with_password(self.redis_url.get_secret_value(), self.redis_password_file)


class ModelSettings(JobSettings):
    """The settings of a job that reads trained models."""

    models_dir: str = Field(
        ".driftline/models",
        description="folder, or s3://bucket/prefix, of the trained models, as the TaskManagers see it",
    )
    s3_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^/\s@]+/?)?$",
        description="http:// or https:// URL of a server that speaks S3, for what is there; empty: that of AWS",
    )
    model_poll_s: float = Field(1.0, gt=0, description="how often the models folder is looked at for a newer model")
    require_model: bool | None = Field(
        None,
        description="stop and retry rather than write scores without those of models; unset: true where whoever "
        "submits finds a current model of each below models_dir",
    )

    @field_validator("models_dir", mode="before")
    @classmethod
    def _text_of(cls, place: Any) -> Any:
        return str(place) if isinstance(place, Path) else place

    @property
    def model_folders(self) -> dict[str, str]:
        """The folder below `models_dir` of the models of each score that only a model makes, by score."""
        return {PURCHASE_PROPENSITY: ROOT}

    @property
    def scores_without_model(self) -> list[str]:
        """The scores of models of which this machine finds no current model now.

        Raises:
            ModelError: the bucket of models does not answer.
        """
        return [name for name, folder in self.model_folders.items() if not self._has_model(folder)]

    def _has_model(self, folder: str) -> bool:
        files = files_at(self.models_dir, folder, self.s3_endpoint)
        try:
            return files.exists(CURRENT)
        except OSError as error:
            message = f"models_dir {self.models_dir} does not answer: {why(error)}"
            raise ModelError(message) from None

    def as_submitted(self) -> Self:
        """Return the settings with `require_model` decided: where every model exists now, they are required later."""
        settings = super().as_submitted()
        if settings.require_model is not None:
            return settings
        return settings.model_copy(update={"require_model": not settings.scores_without_model})


def names_in(joined: str) -> tuple[str, ...]:
    """Split a comma-separated list into its names, without blanks around them."""
    return tuple(name for part in joined.split(",") if (name := part.strip()))


def only_names_of(joined: str, known: Sequence[str]) -> str:
    """Return a comma-separated list unchanged if all of its names are known.

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
    assignments = [argument for argument in arguments if argument != "--set"]
    for number, assignment in enumerate(assignments, 1):
        name, equals, value = assignment.partition("=")
        if not equals or not name.isidentifier():  # the text is not shown: it may be a secret value
            message = f"argument {number} of --set is not NAME=VALUE; example: --set block_ms=100"
            raise SettingError(message)
        values[name] = value
    return values
