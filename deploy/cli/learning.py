"""`actverse rounds` and `actverse models`: teach on, and say which version is the one in use."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.client import Client, address
from deploy.cli.watch import COLOURS, print_task, terminal, watch
from shared.errors import BadInput

TaskId = Annotated[str, typer.Argument(help="The task's id, as `submit` printed it")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs")]
SHADES = {"CURRENT": "green", "CANDIDATE": "yellow", "RETIRED": "dim"}
STRATEGIES = {"track_breaks": "breaks"}


class Deed(StrEnum):
    """What can be done with the versions of a model."""

    LIST = "list"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


def add_to(app: typer.Typer) -> None:
    """Give `app` these verbs."""
    app.command()(rounds)
    app.command()(models)


def rounds(
    task_id: TaskId,
    *,
    new: Annotated[bool, typer.Option("--new", help="Begin another round")] = False,
    frames: Annotated[int, typer.Option(help="Frames to label in it")] = 20,
    labeler: Annotated[str | None, typer.Option(help="Default: that of round one")] = None,
    options: Annotated[str, typer.Option(help="More of it as JSON, see /docs")] = "{}",
    key: Annotated[str | None, typer.Option(help="The same key gives one round")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Follow the new round at once")] = False,
    as_json: AsJson = False,
) -> None:
    """The rounds of a task with their effort, figures and decision; with --new, begin another."""
    with Client(*address()) as client:
        if not new:
            told = client.call("GET", f"/tasks/{task_id}/rounds")
            if as_json:
                print(json.dumps(told, indent=2, ensure_ascii=False))
            else:
                print_rounds(terminal(), told)
            return
        wish = {"num_frames": frames, **_more(options)} | ({"labeler": labeler} if labeler else {})
        begun = begin_round(client, task_id, wish, key=key)
        print(begun, flush=True)
        if follow:
            console = terminal()
            task = watch(client, begun, console)
            print_task(console, task)
            if task["state"] != "SUCCEEDED":
                raise typer.Exit(1)


def _more(options: str) -> dict[str, Any]:
    try:
        more = json.loads(options)
    except ValueError as error:
        raise BadInput(f"--options is not JSON: {error}") from error
    if not isinstance(more, dict):
        raise BadInput('--options is a JSON object, for example {"budget": {"uniform": 1.0}}.')
    return more


def begin_round(
    client: Client, task_id: str, wish: dict[str, Any], *, key: str | None = None
) -> str:
    """Begin a further round; the id of its task."""
    headers = {"Idempotency-Key": key} if key else {}
    begun = client.call("POST", f"/tasks/{task_id}/rounds", json=wish, headers=headers)
    return str(begun["task_id"])


def print_rounds(console: Console, told: dict[str, Any]) -> None:
    """One row a round, why the last was decided as it was, the curve, and what more would give."""
    table = Table(
        title=f"rounds of {told['root_task_id']}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("round", no_wrap=True)
    table.add_column("frames", no_wrap=True)
    for column in ("a frame", "new", "current", "global", "leak"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("model", overflow="fold")
    for each in told["rounds"]:
        table.add_row(*_row(each))
    console.print(table)
    console.print("new, current, global: mAP50-95 on the frozen frames; leak: of those frames\n")
    for each in told["rounds"]:
        chosen = ", ".join(f"{STRATEGIES.get(k, k)} {n}" for k, n in each["chosen"].items())
        parts = (
            f"chosen: {chosen}" if chosen else "",
            _effort(each["effort"]),
            each["reason"],
            (each["figures"].get("tracking") or {}).get("sentence"),
        )
        said = escape("; ".join(part for part in parts if part))
        console.print(f"round {each['number']}: {said}", soft_wrap=True)
    _print_curve(console, told["curve"])


def _row(each: dict[str, Any]) -> list[str]:
    figures = each["figures"]
    leakage = figures.get("leakage")
    decision = each["model_state"] or each["decision"] or ""
    seconds = each["effort"].get("seconds_per_frame")
    return [
        str(each["number"]),
        f"{each['frames']} (+{each['labelled'] + each['empty']})",
        "" if seconds is None else f"{seconds:.1f} s",
        *(_score(figures.get(who)) for who in ("new", "current", "global")),
        "" if leakage is None else f"{leakage:.0%}",
        _became(each, decision),
    ]


def _became(each: dict[str, Any], decision: str) -> str:
    """What was decided; of a round that gave no model, where it stands."""
    if decision:
        return f"[{SHADES.get(decision, 'white')}]{decision}[/]"
    at = f" {each['waits_for']}" if each["waits_for"] else ""
    return f"[{COLOURS.get(each['state'], 'white')}]{each['state']}[/]{at}"


def _effort(effort: dict[str, Any]) -> str:
    """`34 accepted, 5 moved ...`; what did not happen is left out."""
    names = ("accepted", "moved", "reclassified", "deleted", "added")
    return ", ".join(f"{effort[name]} {name}" for name in names if effort.get(name))


def _kept(tracks: dict[str, Any] | None) -> str:
    """How well identities are kept: IDF1, and how often a track changed the animal."""
    return f"{tracks['idf1']:.3f}, {tracks['switches']} switched" if tracks else ""


def _score(figures: dict[str, Any] | None) -> str:
    return f"{figures['map50_95']:.3f}" if figures else ""


def _print_curve(console: Console, curve: dict[str, Any]) -> None:
    """The rounds as bars, and what is said about more of them."""
    if curve["points"]:
        console.print("\nmAP50-95 against labelled frames", style="bold")
    for point in curve["points"]:
        bar = "█" * round(40 * point["map50_95"])
        console.print(f"{point['frames']:>6}  {bar} {point['map50_95']:.3f}", soft_wrap=True)
    console.print(escape(curve["advice"]), soft_wrap=True)


def models(
    task_id: TaskId,
    deed: Annotated[Deed, typer.Argument(help="What to do")] = Deed.LIST,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="Which one to promote")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the version")] = None,
    as_json: AsJson = False,
) -> None:
    """The versions of a task's model; promote one, or go back to the one before."""
    why = {"reason": reason} if reason else {}
    with Client(*address()) as client:
        if deed is Deed.LIST:
            told = client.call("GET", f"/models/{task_id}/versions")
        elif deed is Deed.ROLLBACK:
            told = client.call("POST", f"/models/{task_id}/rollback", json=why)
        elif version is None:
            raise BadInput(f"Say which one: actverse models {task_id} promote --version 2")
        else:
            wish = {"version": version, **why}
            told = client.call("POST", f"/models/{task_id}/promote", json=wish)
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    elif deed is Deed.LIST:
        terminal().print(_versions(told))
    else:
        before = f", instead of version {told['before']}" if told["before"] else ""
        print(f"{told['model']}: version {told['version']} is current{before}")


def _versions(told: dict[str, Any]) -> Table:
    table = Table(
        title=told["model"],
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        expand=True,
        pad_edge=False,
    )
    for column in ("version", "state", "served", "mAP50-95", "leak", "IDF1", "made"):
        table.add_column(column, no_wrap=True)
    table.add_column("reason", overflow="fold", ratio=1)
    for each in told["versions"]:
        metrics = each["metrics"]
        leakage = metrics.get("leakage")
        table.add_row(
            str(each["version"]),
            f"[{SHADES.get(each['state'], 'white')}]{each['state']}[/]",
            each["variant"],
            _score(metrics.get("user_any_class") or metrics.get("user")),
            "" if leakage is None else f"{leakage:.0%}",
            _kept((metrics.get("tracking") or {}).get("new")),
            each["created_at"][:16].replace("T", " "),
            escape(each["reason"] or ""),
        )
    return table
