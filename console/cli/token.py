"""The command token: makes a client's credential for the gRPC server."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from driftline.errors import SettingError


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the client, as it will be in the audit log.")],
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method it may call, or *. May be repeated. [default: GetScores, BatchGetScores]"),
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(help="A namespace it may ask for, or *. May be repeated. [default: @default, asking for none]"),
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day (UTC) from which on it is refused. [default: never]"),
    ] = None,
) -> None:
    """Print a new token, once, and the lines for the tokens file of `driftline serve`, which hold only its hash."""
    from serving.auth import Client, new_token, toml_of  # other commands start without the server

    secret, digest = new_token()
    try:
        client = Client(
            name=name,
            tokens_sha256=(digest,),
            methods=frozenset(method or ("GetScores", "BatchGetScores")),
            namespaces=frozenset(namespace or ("@default",)),
            expires=expires.date() if expires else None,
        )
    except ValueError as error:
        raise SettingError(_first_line(error)) from None
    typer.echo(f"token, shown only now: {secret}\n\nfor the tokens file:\n\n{toml_of(client)}", nl=False)


def _first_line(error: ValueError) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    return f"{problem['loc'][0]}: {problem['msg'].removeprefix('Value error, ')}"
