"""Who may call what: bearer tokens, or certificates, and the rights that a file gives to their owners."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
import tomllib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import grpc
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from driftline.errors import SettingError
from driftline.serving.v1 import score_service_pb2 as pb
from serving.calls import CLIENT
from serving.middleware import Context, Handler, is_stream
from serving.reloaded import POLL_S, Reloaded
from serving.streams import stream_while_allowed
from sink_connectors.score_value import check_namespace

ANY = "*"
DEFAULT_NAMESPACE_RIGHT = "@default"  # no namespace can be called so
REFLECTION = "ServerReflectionInfo"  # needs a client, and no right
METHODS = tuple(method.name for method in pb.DESCRIPTOR.services_by_name["ScoreService"].methods)

_TOKEN_PREFIX = "driftline_"  # noqa: S105  (lets scanners recognise a token that has leaked)
_TOKEN_BYTES = 32
_BEARER = "bearer "
_RECHECK_S = 0.5  # between checks of a running stream: with POLL_S, a right that the file revokes ends it within 2 s

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Client(BaseModel):
    """One entry `[[clients]]` of the tokens file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    tokens_sha256: tuple[Sha256, ...] = ()  # two while a token is replaced; none: known by certificate alone
    methods: frozenset[str]
    namespaces: frozenset[str] = frozenset({DEFAULT_NAMESPACE_RIGHT})
    expires: date | None = None  # from the beginning of this day, in UTC, the client is refused

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, methods: frozenset[str]) -> frozenset[str]:
        for unknown in sorted(methods - {ANY, *METHODS}):
            message = f"unknown method {unknown!r}; known are: {', '.join((ANY, *METHODS))}"
            raise ValueError(message)
        return methods

    @field_validator("namespaces")
    @classmethod
    def _safe_namespaces(cls, namespaces: frozenset[str]) -> frozenset[str]:
        for name in sorted(namespaces - {ANY, DEFAULT_NAMESPACE_RIGHT}):
            check_namespace(name)
        return namespaces

    def has_expired(self, now_s: float) -> bool:
        """Whether the day of `expires` has begun at this time in seconds since the epoch."""
        if self.expires is None:
            return False
        return now_s >= datetime(self.expires.year, self.expires.month, self.expires.day, tzinfo=UTC).timestamp()

    def may(self, method: str, namespace: str | None) -> bool:
        """Whether the rights cover this method on the namespace asked for; None stands for asking for none."""
        if method == REFLECTION:
            return True
        asked = DEFAULT_NAMESPACE_RIGHT if namespace is None else namespace
        return not self.methods.isdisjoint((ANY, method)) and not self.namespaces.isdisjoint((ANY, asked))


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    clients: tuple[Client, ...]


class Clients:
    """The clients of a tokens file, found by token or by name."""

    def __init__(self, clients: tuple[Client, ...]) -> None:
        self._by_name = {client.name: client for client in clients}
        self._by_hash = {bytes.fromhex(sha256): client for client in clients for sha256 in client.tokens_sha256}
        if len(self._by_name) < len(clients):
            message = "two clients have the same name"
            raise ValueError(message)
        if len(self._by_hash) < sum(len(client.tokens_sha256) for client in clients):
            message = "one token belongs to two clients"
            raise ValueError(message)

    def with_token(self, token: str) -> Client | None:
        """The owner of this token. Looks at every hash, so that the time taken tells nothing."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        owner = None
        for stored, client in self._by_hash.items():
            if hmac.compare_digest(stored, digest):
                owner = client
        return owner

    def named(self, name: str) -> Client | None:
        """The client of this name."""
        return self._by_name.get(name)


def read_clients(path: Path) -> Clients:
    """Read a tokens file. Raises SettingError that names the file and what is wrong in it, but no hash."""
    try:
        with path.open("rb") as file:
            return Clients(_File.model_validate(tomllib.load(file)).clients)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        reason = f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
    except (OSError, ValueError) as error:  # what tomllib raises are ValueErrors
        reason = str(error)
    message = f"tokens_file {path} cannot be used: {reason}"
    raise SettingError(message)


class Denial(NamedTuple):
    """Why a call is refused."""

    code: grpc.StatusCode
    details: str


NO_TOKEN = Denial(grpc.StatusCode.UNAUTHENTICATED, "a token is needed, as metadata `authorization: Bearer TOKEN`")
WRONG_TOKEN = Denial(grpc.StatusCode.UNAUTHENTICATED, "the token is not known")
UNKNOWN_CERTIFICATE = Denial(grpc.StatusCode.UNAUTHENTICATED, "no client has the common name of this certificate")
EXPIRED = Denial(grpc.StatusCode.UNAUTHENTICATED, "the client's access has expired")
NO_RIGHT = Denial(grpc.StatusCode.PERMISSION_DENIED, "the client may not call this method on this namespace")


class Access:
    """Lets a call through if the tokens file gives its client the right; the file is read again when it changes.

    A stream ends when its client loses the right, by the file or by the date, as if it had never had it.
    `namespace_of` tells the namespace that a call asks for, or None. With `by_certificate` the common name of a
    verified client certificate stands for a client, where there is no metadata `authorization`; only mutual TLS has
    such a name.
    """

    def __init__(
        self,
        tokens_file: Path,
        namespace_of: Callable[[Context], str | None],
        *,
        by_certificate: bool = False,
        poll_s: float = POLL_S,
        recheck_s: float = _RECHECK_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recheck_s = recheck_s
        self._clients = Reloaded([tokens_file], lambda: read_clients(tokens_file), poll_s=poll_s)
        self._namespace_of = namespace_of
        self._by_certificate = by_certificate
        self._clock = clock

    def middleware(self, method: str, handler: Handler) -> Handler:
        """Runs the handler only where the client may call this method."""
        if is_stream(handler):

            async def stream(request: Any, context: Context) -> AsyncIterator[bytes]:
                if denial := self._denial(method, context):
                    await context.abort(*denial)
                responses = cast("AsyncGenerator[bytes, None]", handler(request, context))
                still_allowed = self._still_allowed(method, context)
                async with aclosing(stream_while_allowed(responses, still_allowed, every_s=self._recheck_s)) as allowed:
                    async for response in allowed:
                        yield response

            return stream

        async def unary(request: Any, context: Context) -> bytes:
            if denial := self._denial(method, context):
                await context.abort(*denial)
            return await handler(request, context)

        return unary

    def _denial(self, method: str, context: Context) -> Denial | None:
        client = self._client(context)
        if isinstance(client, Client):
            CLIENT.set(client.name)
        return self._refusal(client, method, context)

    def _refusal(self, client: Client | Denial, method: str, context: Context) -> Denial | None:
        if isinstance(client, Denial):
            return client
        if client.has_expired(self._clock()):
            return EXPIRED
        return None if client.may(method, self._namespace_of(context)) else NO_RIGHT

    def _still_allowed(self, method: str, context: Context) -> Callable[[], Awaitable[None]]:
        """Aborts the call once its client may no longer make it. Costs next to nothing while the file is the same."""
        allowed_by = self._clients.get()
        client = self._client(context)

        async def check() -> None:
            nonlocal allowed_by, client
            if (newest := self._clients.get()) is not allowed_by:
                allowed_by, client = newest, self._client(context)
            if denial := self._refusal(client, method, context):
                await context.abort(*denial)

        return check

    def _client(self, context: Context) -> Client | Denial:
        clients = self._clients.get()
        header = _authorization(context)
        if header is not None:  # it decides, also where it has no token: a proxy's certificate is not its caller's
            token = header[len(_BEARER) :].strip() if header[: len(_BEARER)].lower() == _BEARER else ""
            return (clients.with_token(token) or WRONG_TOKEN) if token else NO_TOKEN
        names = context.auth_context().get("x509_common_name") if self._by_certificate else None
        if not names:
            return NO_TOKEN
        return clients.named(names[0].decode("utf-8", "replace")) or UNKNOWN_CERTIFICATE


def new_token() -> tuple[str, str]:
    """A fresh token of 256 random bits, and its SHA-256 in hexadecimal digits for the tokens file."""
    token = _TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    return token, hashlib.sha256(token.encode()).hexdigest()


def _authorization(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            return value
    return None


def toml_of(client: Client) -> str:
    """The lines of the tokens file that make this client; JSON's strings and lists are TOML's too."""
    lines = [
        "[[clients]]",
        f"name = {json.dumps(client.name)}",
        f"tokens_sha256 = {json.dumps(client.tokens_sha256)}",
        f"methods = {json.dumps(sorted(client.methods))}",
        f"namespaces = {json.dumps(sorted(client.namespaces))}",
    ]
    if client.expires is not None:
        lines.append(f"expires = {client.expires.isoformat()}")
    return "\n".join(lines) + "\n"
