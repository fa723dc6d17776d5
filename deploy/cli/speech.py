"""`actverse catalogue` and `actverse say`: lines of actors, and how you say them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from deploy.cli.client import Client, address
from deploy.cli.comparison import print_comparison
from deploy.cli.watch import terminal
from shared.errors import ActverseError, BadInput, Unavailable

HERE = Path.cwd()  # where the user is
PREPARED_S = 300.0
LOOK_EVERY_S = 0.3
SHADES = {"READY": "green", "PREPARING": "cyan", "FAILED": "red"}
LineId = Annotated[str, typer.Argument(help="The line's id, as `catalogue list` shows it")]
OfScripts = Annotated[bool, typer.Option("--script", help="Scripts instead of quotes")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs")]
Language = Annotated[str, typer.Option(help="Of what is said about it: en or ko")]
catalogue = typer.Typer(no_args_is_help=True, help="Lines of actors, to be said after them.")


class NotCompared(ActverseError):
    """The recording was not compared; the sentence says why."""


def add_to(app: typer.Typer) -> None:
    """Give `app` these verbs."""
    app.command()(say)
    app.add_typer(catalogue, name="catalogue")


def say(
    line: LineId,
    recording: Annotated[str, typer.Argument(help="How you say it: wav, mp3, m4a, ogg, webm ...")],
    *,
    script: OfScripts = False,
    language: Language = "en",
    as_json: AsJson = False,
) -> None:
    """Compare a recording with the actor's take, word by word: scores and advice."""
    path = _file(recording)
    with Client(*address()) as client:
        if as_json:
            for told in compared(client, line, path, script=script, language=language):
                print(json.dumps(told, ensure_ascii=False), flush=True)
            return
        console = terminal()
        print_comparison(
            console, watched(client, line, path, console, script=script, language=language)
        )


def compared(
    client: Client, line: str, path: Path, *, script: bool = False, language: str = "en"
) -> Iterator[dict[str, Any]]:
    """Send a recording; how far its comparison is, live. The last one carries `result`.

    Raises `NotCompared` with the reason when the comparison failed.
    """
    lines = _path(script=script)
    with path.open("rb") as file:
        parts = {"file": (path.name, file, "application/octet-stream")}
        sent = client.call("POST", f"{lines}/{line}/upload-audio", files=parts, timeout=None)
    spoken = {"Accept-Language": language}
    for name, told in client.follow(f"{lines}/analysis-progress/{sent['job_id']}", spoken):
        if name != "progress":
            continue
        if told["status"] == "failed":
            raise NotCompared(told["message"])
        yield {"job_id": sent["job_id"], **told}


def watched(
    client: Client,
    line: str,
    path: Path,
    console: Console,
    *,
    script: bool = False,
    language: str = "en",
) -> dict[str, Any]:
    """Compare with a live bar; the last thing that was told, with `result`."""
    told: dict[str, Any] = {}
    bar = Progress(
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        row = bar.add_task("", total=100)
        for told in compared(client, line, path, script=script, language=language):
            bar.update(row, completed=told["progress"], description=told["message"])
    if "result" not in told:
        raise Unavailable("The stream ended before the comparison did. Try again.")
    return told


@catalogue.command("list")
def list_lines(
    words: Annotated[str, typer.Argument(help="Words of text, title or actor")] = "",
    *,
    script: OfScripts = False,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """Lines that can be said, with your best score of each."""
    with Client(*address()) as client:
        asked = {"q": words, "limit": limit}
        items = client.call("GET", _path(script=script), params=asked)["items"]
    if as_json:
        print(json.dumps(items, indent=2, ensure_ascii=False))
        return
    table = Table("id", "actor", "state", "best", "text", box=SIMPLE_HEAD, expand=True)
    table.columns[-1].ratio = 1
    for column in table.columns[:-1]:
        column.no_wrap = True
    for each in items:
        best = each["best_score"]
        shade = SHADES.get(each["state"], "dim")
        table.add_row(
            each["id"],
            escape(each["actor"]["name"] if each["actor"] else ""),
            f"[{shade}]{each['state']}[/]",
            "" if best is None else f"{best:.0f}",
            escape(each["text"]),
        )
    terminal().print(table)


@catalogue.command("add")
def add_line(
    audio: Annotated[str, typer.Argument(help="The actor's take")],
    text: Annotated[str, typer.Option(help="What is said in it, word for word")],
    actor: Annotated[str, typer.Option(help="Who says it; made when there is none of that name")],
    title: Annotated[str, typer.Option(help="The film, or the script's title")],
    *,
    script: OfScripts = False,
) -> None:
    """Add a line with its take, and wait until it can be said (admins)."""
    path = _file(audio)
    with Client(*address()) as client:
        made = line_added(client, path, text=text, actor=actor, title=title, script=script)
    print(made["id"])


def line_added(
    client: Client, path: Path, *, text: str, actor: str, title: str, script: bool = False
) -> dict[str, Any]:
    """The new line, ready to be said; raises `BadInput` with what is wrong with take or text."""
    lines = _path(script=script)
    named = {"title" if script else "film": title}
    wish = {"actor_id": _actor(client, actor), "text": text, **named}
    line = client.call("POST", lines, json=wish)
    where = f"{lines}/{line['id']}"
    with path.open("rb") as file:
        parts = {"file": (path.name, file, "application/octet-stream")}
        line = client.call("PUT", f"{where}/audio", files=parts, timeout=None)
    deadline = time.monotonic() + PREPARED_S
    while line["state"] == "PREPARING":
        if time.monotonic() > deadline:
            raise Unavailable(
                f"Line {line['id']} is still being prepared. Is the worker `audio_analyzer` up?"
            )
        time.sleep(LOOK_EVERY_S)
        line = client.call("GET", where)
    if line["state"] != "READY":
        raise BadInput(f"Line {line['id']} cannot be said: {line['problem']}")
    return dict(line)


def line_there(client: Client, path: Path, *, text: str, actor: str, title: str) -> dict[str, Any]:
    """The quote, as it may be there from the last time; else added, as by `line_added`."""
    asked = {"q": title, "state": "READY", "limit": 100}
    for each in client.call("GET", "/tokens", params=asked)["items"]:
        if (each["text"], each["film"]) == (text, title):
            return dict(each)
    return line_added(client, path, text=text, actor=actor, title=title)


def _actor(client: Client, name: str) -> str:
    """The id of the actor called so, whatever the case; made when there is none."""
    found = client.call("GET", "/actors", params={"q": name, "limit": 100})["items"]
    for each in found:
        if each["name"].casefold() == name.casefold():
            return str(each["id"])
    return str(client.call("POST", "/actors", json={"name": name})["id"])


@catalogue.command("remove")
def remove_line(line: LineId, *, script: OfScripts = False) -> None:
    """Remove a line with its take and everything that was said after it (admins)."""
    with Client(*address()) as client:
        client.call("DELETE", f"{_path(script=script)}/{line}")
    print(f"{line} is removed")


def _path(*, script: bool) -> str:
    return "/scripts" if script else "/tokens"


def _file(name: str) -> Path:
    path = HERE / name
    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    return path
