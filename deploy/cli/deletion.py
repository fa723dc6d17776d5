"""`actverse delete`: a task with everything that belongs to it."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import Annotated, Any

import typer

from deploy.cli.client import Client, Refused, address
from shared.errors import BadInput

GONE_WITHIN_S = 30.0  # else it is going still, which is no failure
LOOK_EVERY_S = 0.3


def add_to(app: typer.Typer) -> None:
    """Give `app` the verb."""
    app.command("delete")(delete)


def delete(
    task_id: Annotated[str, typer.Argument(help="The task's id, as `submit` printed it")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    model: Annotated[bool, typer.Option("--model", help="Also a model that is deployed")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; asks nothing")] = False,
) -> None:
    """Delete a task with its files, its rows and its model; there is no way back."""
    if as_json and not (dry_run or yes):
        raise BadInput("--json asks nothing: say --yes, or --dry-run to look first.")
    with Client(*address()) as client:
        found = client.delete(task_id, dry_run=True, model=model)
        if not as_json:
            _say(found)
        if not dry_run and not found["refused"] and (yes or typer.confirm("Delete it?")):
            found = client.delete(task_id, model=model)
            gone = _wait(client, task_id)
            if not as_json:
                print(f"{task_id} is {'gone' if gone else 'on its way out'}")
        elif not dry_run:
            raise typer.Exit(1)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))


def _say(found: dict[str, Any]) -> None:
    rows = ", ".join(f"{count} {name}" for name, count in found["rows"].items())
    print(
        f"{found['task_id']}: {found['files']} files, {found['bytes'] / 1e6:.2f} MB; rows: {rows}"
    )
    for each in found["models"]:
        served = ", on the model server" if each["served"] else ""
        print(f"model {each['name']} version {each['version']}{served}")
    for sentence in found["stays"]:
        print(sentence)
    if found["refused"]:
        print(f"It cannot be deleted: {found['refused']}")


def _wait(client: Client, task_id: str) -> bool:
    """Until it is gone; False when it takes longer."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while time.monotonic() < deadline:
        try:
            client.task(task_id)
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return True
            raise
        time.sleep(LOOK_EVERY_S)
    return False
