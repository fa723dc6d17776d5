"""A task on the terminal: one live bar a step, and a table at the end."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.cli.client import Client

COLOURS = {
    "SUCCEEDED": "green",
    "FAILED": "red",
    "CANCELLED": "yellow",
    "RUNNING": "cyan",
    "WAITING": "magenta",
}


def watch(client: Client, task_id: str, console: Console) -> dict[str, Any]:
    """Show live bars until the task ends; returns the finished task."""
    bars = Progress(
        TextColumn("{task.fields[mark]}"),
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
        console=console,
        refresh_per_second=5,
    )
    plain = not console.is_terminal
    with bars:
        rows: dict[str, TaskID] = {}
        for step in client.status(task_id)["process_status"]:
            rows[step["step"]] = bars.add_task(
                step["step"], total=1.0, start=False, mark="·", message=""
            )
        for name, data in client.events(task_id):
            if name == "task" or data.get("step") not in rows:
                continue
            _show(bars, rows[data["step"]], name, data)
            if plain and name == "step":
                told = f"  {data.get('message', '')}" if data.get("message") else ""
                console.print(f"{data['at'][11:19]}  {data['step']:<20} {data['state']}{told}")
    return client.task(task_id)


def _show(bars: Progress, row: TaskID, name: str, data: dict[str, Any]) -> None:
    message = (data.get("message") or "").split("\n")[0][:90]
    if name == "progress":
        bars.update(row, completed=data["progress"], message=message)
        return
    state = data["state"]
    colour = COLOURS.get(state, "white")
    if state in {"RUNNING", "WAITING"}:
        bars.start_task(row)
    if state == "SUCCEEDED":
        bars.update(row, completed=1.0)
    if state in {"SUCCEEDED", "FAILED", "CANCELLED"}:
        bars.stop_task(row)
    mark = {"SUCCEEDED": "✓", "FAILED": "✗", "RUNNING": "▶", "WAITING": "…"}.get(state, "·")
    bars.update(row, mark=f"[{colour}]{mark}[/]", **({"message": message} if message else {}))


def table_of(task: dict[str, Any]) -> Table:
    """What each step took, and what it said last."""
    table = Table(
        title=f"{task['pipeline']} {task['task_id']}: {task['state']}", title_justify="left"
    )
    for column, justify in (
        ("step", "left"),
        ("service", "left"),
        ("state", "left"),
        ("s", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_column("what", overflow="fold")
    for step in task["steps"]:
        colour = COLOURS.get(step["state"], "white")
        seconds = "" if step["seconds"] is None else f"{step['seconds']:.1f}"
        told = (step["error"] or {}).get("message") or step["message"] or ""
        state = f"[{colour}]{step['state']}[/]"
        table.add_row(step["step"], step["service"], state, seconds, told)
    return table
