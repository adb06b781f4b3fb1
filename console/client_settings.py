"""How the commands call the gRPC server."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from driftline.settings import Settings


class ClientSettings(Settings):
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
