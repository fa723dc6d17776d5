"""`actverse parked`: messages that were given up, and what becomes of them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from deploy.cli.watch import terminal
from shared.db.operation_models import Parked

app = typer.Typer(
    no_args_is_help=True, help="Messages that were given up after too many deliveries."
)
Ids = Annotated[list[int] | None, typer.Argument(help="Ids, as `list` prints them")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs")]
All = Annotated[bool, typer.Option("--all", help="Every one that waits")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done")]
Queue = Annotated[str | None, typer.Option(help="Only those of this queue")]


@app.command("list")
def list_parked(
    queue: Queue = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """Those that wait for a decision, the newest first."""
    found = _waiting(queue, limit)
    if as_json:
        print(json.dumps([_summary(message) for message in found], indent=2, ensure_ascii=False))
        return
    console = terminal()
    if not found:
        console.print("nothing is parked")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "queue", "what", "task", "deliveries", "parked", "reason"):
        # ids are copied; where the terminal is narrow, the rest is folded and nothing is left out
        table.add_column(name, no_wrap=name in {"id", "task"}, overflow="fold")
    for message in found:
        told = _summary(message)
        row = [told[n] for n in ("id", "queue", "name", "task_id", "deliveries", "parked_at")]
        table.add_row(*(escape(str(cell or "-")) for cell in (*row, told["reason"])))
    console.print(table)
    console.print("Its step has failed. actverse parked show|replay|discard ID")


@app.command()
def show(parked_id: Annotated[int, typer.Argument(help="Its id")]) -> None:
    """Everything about one message, as JSON."""
    from shared.flow import parking

    with _platform().reads() as session:
        message = parking.show(session, parked_id)
    try:
        content = json.loads(message.content)
    except ValueError:
        content = message.content
    told = {
        **_summary(message),
        "settled": message.settled,
        "headers": message.headers,
        "content": content,
    }
    print(json.dumps(told, indent=2, ensure_ascii=False))


@app.command()
def replay(ids: Ids = None, *, every: All = False, dry_run: DryRun = False) -> None:
    """Let it go on: an event goes to its queue again, work of a step runs again."""
    from shared.flow import parking

    platform = _platform()
    for message in _chosen(ids, every=every):
        if dry_run:
            print(f"{message.id}: would replay {message.name} to {message.queue}")
        else:
            print(f"{message.id}: {parking.replay(platform, message.id)}")


@app.command()
def discard(ids: Ids = None, *, every: All = False, dry_run: DryRun = False) -> None:
    """Give it up; it can still be shown."""
    from shared.flow import parking

    platform = _platform()
    for message in _chosen(ids, every=every):
        if dry_run:
            print(f"{message.id}: would discard {message.name} of {message.queue}")
        else:
            parking.discard(platform, message.id)
            print(f"{message.id}: discarded")


def _platform() -> Any:
    from shared import wiring
    from shared.settings import Settings

    return wiring.build(Settings())


def _waiting(queue: str | None, limit: int) -> list[Parked]:
    from shared.flow import parking

    platform = _platform()
    parking.take(platform)  # what the broker put aside a moment ago
    with platform.reads() as session:
        return list(parking.waiting(session, queue=queue, limit=limit))


def _chosen(ids: list[int] | None, *, every: bool) -> list[Parked]:
    from shared.flow import parking

    if every == bool(ids):
        raise typer.BadParameter("name the messages by their ids, or say --all")
    if every:
        return _waiting(None, 1000)[::-1]
    with _platform().reads() as session:
        return [parking.show(session, parked_id) for parked_id in ids or []]


def _summary(message: Parked) -> dict[str, Any]:
    return {
        "id": message.id,
        "queue": message.queue,
        "name": message.name,
        "task_id": message.task_id,
        "deliveries": message.deliveries,
        "reason": message.reason,
        "parked_at": f"{message.parked_at:%Y-%m-%d %H:%M:%S}",
    }
