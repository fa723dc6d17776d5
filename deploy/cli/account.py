"""`actverse login`, `logout`, `whoami` and `keys`: whose calls these are.

Logging in gives the machine an API key of its own, kept like the first key: in the data folder, for its
owner only. A session would have to be renewed by each call, and two at the same moment would end it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from http import HTTPStatus
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from deploy.cli.client import Client, Refused, address, local_url
from deploy.cli.login import Login, forget, keep, kept
from deploy.cli.watch import terminal
from shared.errors import BadInput, Unavailable

AsJson = Annotated[bool, typer.Option("--json", help="For programs")]


def add_to(app: typer.Typer) -> None:
    """Give `app` these verbs."""
    app.command()(login)
    app.command()(logout)
    app.command()(whoami)
    app.command()(keys)


def login(
    user: Annotated[str, typer.Argument(help="Your name or e-mail address")],
    *,
    url: Annotated[str | None, typer.Option(help="Default: ACTVERSE_URL, or the mesh here")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input")
    ] = False,
) -> None:
    """Log in with a password; later calls of this folder's `actverse` are yours, until `logout`."""
    where = url or os.environ.get("ACTVERSE_URL") or local_url()
    if where is None:
        raise Unavailable("No mesh is running on this machine; say which one by --url.")
    secret = _password(from_stdin=password_stdin)
    with Client(where, None) as client:
        form = {"username": user, "password": secret}
        tickets = client.call("POST", "/auth/login", data=form)
    _leave_before()
    with Client(where, tickets["access_token"]) as client:
        label = f"actverse on {socket.gethostname()}"[:64]
        made = client.call("POST", "/auth/keys", json={"label": label})
        name = client.call("GET", "/auth/me")["name"]
        client.call("POST", "/auth/logout", json={"refresh_token": tickets["refresh_token"]})
    path = keep(Login(where, made["key"], made["id"], name))
    print(f"logged in to {where} as {name} (key kept in {path})")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True))


def logout() -> None:
    """Revoke the key that `login` made, and forget it."""
    known = kept()
    if known is None:
        raise BadInput("Nobody is logged in here.")
    _leave_before()
    print(f"logged out of {known.url}")


def _leave_before() -> None:
    """Take back the key of an earlier login; a mesh that is gone has nothing to take back."""
    known = kept()
    if known is None:
        return
    with Client(known.url, known.key) as client:
        try:
            client.call("DELETE", f"/auth/keys/{known.key_id}")
        except Refused as refused:
            if refused.status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}:
                raise
        except Unavailable as error:
            print(f"the key at {known.url} could not be revoked: {error}", file=sys.stderr)
    forget()


def whoami(*, as_json: AsJson = False) -> None:
    """Whose calls these are, and where they go."""
    where, key = address()
    with Client(where, key) as client:
        told = client.call("GET", "/auth/me")
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print(f"{told['name']} ({told['role']}) at {where}")


def keys(
    *,
    new: Annotated[str | None, typer.Option(help="Make a key and call it so")] = None,
    revoke: Annotated[str | None, typer.Option(help="Make this one useless, by its id")] = None,
    as_json: AsJson = False,
) -> None:
    """Your API keys; with --new, another one, which is printed this once."""
    with Client(*address()) as client:
        if revoke is not None:
            client.call("DELETE", f"/auth/keys/{revoke}")
            return
        if new is not None:
            made = client.call("POST", "/auth/keys", json={"label": new})
            print(json.dumps(made, indent=2, ensure_ascii=False) if as_json else made["key"])
            return
        told = client.call("GET", "/auth/keys")["items"]
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        terminal().print(_table(told))


def _table(told: list[dict[str, Any]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("id", "begins with", "made", "last used"):
        table.add_column(column, no_wrap=True)
    table.add_column("label", overflow="fold")
    for each in told:
        moments = [
            (each[name] or "never")[:16].replace("T", " ") for name in ("created_at", "used_at")
        ]
        table.add_row(each["id"], each["prefix"], *moments, escape(each["label"]))
    return table
