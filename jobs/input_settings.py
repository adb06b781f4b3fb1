"""The settings that say what the values of the input topic are.

Which of their words mean what is in a file, the mapping, which is read where the job is submitted (jobs/bundle.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from driftline.password_file import password_in
from driftline.values.framing import Framing, ValuesFormat
from jobs.base_settings import JobSettings

_URLS: Final = re.compile(r"https?://[^\s,@/]+(/[^\s,@]*)?(,https?://[^\s,@/]+(/[^\s,@]*)?)*")


class InputSettings(JobSettings):
    """The settings of a job that reads events from a topic."""

    events_format: ValuesFormat = Field("protobuf", description="encoding of the values on the input topic")
    events_framing: Framing = Field(
        "none",
        description="what stands before each value: confluent for what serializers of a Schema Registry write, or none",
    )
    events_mapping: Path | None = Field(
        None,
        description="file that says which keys of the values make which fields of an event (docs/events.md), read "
        "where the job is submitted; unset: they are in the contract's words",
    )
    schema_registry_url: str = Field(
        "",
        description="http:// or https:// URL of the Schema Registry of a topic of Avro, as the TaskManagers see it; "
        "several with commas between them",
    )
    schema_registry_user: str = Field("", description="user, or API key, of the Schema Registry; empty: no login")
    schema_registry_password_file: Path | None = Field(
        None, description="file with that user's password on every TaskManager, read when a task starts"
    )
    schema_registry_ca_file: Path | None = Field(
        None, description="certificates on every TaskManager that sign the Schema Registry's; unset: the usual ones"
    )

    @property
    def schema_registry_login(self) -> str:
        """User and password with a colon between them, never to be shown; empty without a login.

        Raises SettingError if the password file is missing.
        """
        if self.schema_registry_password_file is None:
            return ""
        password = password_in(self.schema_registry_password_file, "schema_registry_password_file")
        return f"{self.schema_registry_user}:{password}"

    @field_validator("events_mapping")
    @classmethod
    def _wherever_it_is_read(cls, file: Path | None) -> Path | None:
        return None if file is None else file.absolute()

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if problem := self._no_registry() or self._unreadable():
            raise ValueError(problem)
        return self

    def _no_registry(self) -> str:
        """What is wrong with the registry's settings; empty if nothing is. Holds none of them: one may be a password.

        That is why these are no validators of fields, whose errors show what was given.
        """
        if "@" in self.schema_registry_url:
            return (
                "schema_registry_url has a user or a password, which would be shown: put them into "
                "schema_registry_user and schema_registry_password_file"
            )
        if self.schema_registry_url and not _URLS.fullmatch(self.schema_registry_url):
            return "schema_registry_url should be http://host[:port] or https://host[:port]"
        if ":" in self.schema_registry_user:
            return "schema_registry_user has a colon: its password belongs into schema_registry_password_file"
        if bool(self.schema_registry_user) != (self.schema_registry_password_file is not None):
            return "schema_registry_user and schema_registry_password_file belong together"
        return ""

    def _unreadable(self) -> str:
        """What keeps values of these settings from being read; empty if nothing does."""
        if self.events_format == "avro":
            if self.events_framing != "confluent":
                return "events_format=avro needs events_framing=confluent: a value alone does not say its schema"
            if not self.schema_registry_url:
                return "events_format=avro needs schema_registry_url, where the schemas of the values are"
        if self.events_format == "protobuf" and self.events_mapping is not None:
            return "events_mapping needs events_format=json or avro; values of protobuf are always UserEvents"
        return ""
