"""The client that the commands use, as the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from console.client_settings import ClientSettings
from console.settings import StackSettings
from driftline.client import DeadlineExceededError, ScoresClient, Tls, UnavailableError
from driftline.client.calls import Options
from driftline.errors import InputError, ServiceUnavailable, SettingError

DEADLINE_S = 5.0  # a person waits longer than a page view


def client_options(*, timeout_s: float, with_token: bool = True) -> Options:
    """The options that DRIFTLINE_CLIENT_* ask for. Raises SettingError."""
    settings: ClientSettings = ClientSettings.load()
    options = Options(timeout_s=timeout_s, token=settings.token.get_secret_value() if with_token else "")
    if settings.tls or settings.ca_file or settings.cert_file or settings.server_name:
        options["tls"] = tls = Tls(
            ca_file=settings.ca_file,
            cert_file=settings.cert_file,
            key_file=settings.key_file,
            server_name=settings.server_name,
        )
        try:
            tls.credentials()  # before a server or a loop runs, so that the error is one line
        except InputError as error:
            message = f"DRIFTLINE_CLIENT_*: {error}"
            raise SettingError(message) from None
    return options


@contextmanager
def scores_client(namespace: str = "") -> Iterator[ScoresClient]:
    """A client of the stack's server. What fails because nothing answers says where to look."""
    options = client_options(timeout_s=DEADLINE_S)
    options["namespace"] = namespace
    with ScoresClient(StackSettings.load().grpc_address, **options) as client:
        try:
            yield client
        except (UnavailableError, DeadlineExceededError) as error:
            message = (
                f"{error}; `driftline serve` starts one, DRIFTLINE_GRPC_PORT or DRIFTLINE_GRPC_TARGET says where it is"
            )
            raise ServiceUnavailable(message) from None
