"""A task on the terminal: one live bar a step, and a table at the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from deploy.cli.client import Client

COLOURS = {
    "SUCCEEDED": "green",
    "FAILED": "red",
    "CANCELLED": "yellow",
    "RUNNING": "cyan",
    "WAITING": "magenta",
}
MARKS = {"SUCCEEDED": "✓", "FAILED": "✗", "RUNNING": "▶", "WAITING": "…", "CANCELLED": "-"}
PLAIN_WIDTH = 140  # columns, where there is no terminal to ask


def terminal() -> Console:
    """The console of the command line; wide enough for a log file where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def watch(client: Client, task_id: str, console: Console) -> dict[str, Any]:
    """Show live bars until the task ends; returns the finished task."""
    plain = not console.is_terminal
    bars = Progress(
        TextColumn("{task.fields[mark]}"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        _Seconds(),
        TextColumn(
            "{task.fields[message]}",
            markup=False,
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        ),
        console=console,
        refresh_per_second=5,
        expand=True,
        disable=plain,
    )
    with bars:
        rows = {
            step["step"]: bars.add_task(
                step["step"], total=1.0, mark="·", message="", begun=None, ended=None
            )
            for step in client.status(task_id)["process_status"]
        }
        for name, data in client.events(task_id):
            if name == "task" or data.get("step") not in rows:
                continue
            _show(bars, rows[data["step"]], name, data)
            if plain and name == "step":
                console.print(_line(data), soft_wrap=True)
    return client.task(task_id)


class _Seconds(ProgressColumn):
    """How long a step has been at it, by the times of its events: right for late watchers too."""

    def render(self, task: Task) -> Text:
        begun, ended = task.fields["begun"], task.fields["ended"]
        if begun is None:
            return Text("       ")
        return Text(f"{spoken_s(((ended or datetime.now(UTC)) - begun).total_seconds()):>7}")


def spoken_s(seconds: float) -> str:
    """`8.3 s`, `2:05`, `1:02:05`."""
    if seconds < 100:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _line(data: dict[str, Any]) -> str:
    told = f"  {escape(data['message'])}" if data.get("message") else ""
    colour = COLOURS.get(data["state"], "white")
    return f"{data['at'][11:19]}  {data['step']:<18} [{colour}]{data['state']:<9}[/]{told}"


def _show(bars: Progress, row: TaskID, name: str, data: dict[str, Any]) -> None:
    message = first_line(data.get("message"))
    if name == "progress":
        bars.update(row, completed=data["progress"], message=message)
        return
    state, at = data["state"], datetime.fromisoformat(data["at"])
    fields: dict[str, Any] = {
        "mark": f"[{COLOURS.get(state, 'white')}]{MARKS.get(state, '·')}[/]",
    }
    if message:
        fields["message"] = message
    if state in {"PENDING", "QUEUED"}:  # also again, after a retry
        bars.reset(row, start=False)
        fields |= {"begun": None, "ended": None, "message": ""}
    elif state in {"RUNNING", "WAITING"}:
        fields |= {"begun": bars.tasks[row].fields["begun"] or at, "ended": None}
    else:
        fields["ended"] = at
    if state == "SUCCEEDED":
        fields["completed"] = 1.0
    bars.update(row, **fields)


def first_line(text: str | None) -> str:
    """What of a message fits in a row."""
    return (text or "").strip().split("\n")[0]


def table_of(task: dict[str, Any]) -> Table:
    """What each step took, and what it said last, one row each; errors are told below it."""
    colour = COLOURS.get(task["state"], "white")
    table = Table(
        title=f"{task['pipeline']} {task['task_id']}: [{colour}]{task['state']}[/]",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        expand=True,
        pad_edge=False,
    )
    table.add_column("")
    table.add_column("step", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    for step in task["steps"]:
        state = step["state"]
        shade = COLOURS.get(state, "dim")
        took = "" if step["seconds"] is None else spoken_s(step["seconds"])
        told = (step["error"] or {}).get("message") or step["message"]
        again = f" [dim]try {step['attempt']}[/]" if step["attempt"] > 1 else ""
        table.add_row(
            f"[{shade}]{MARKS.get(state, '·')}[/]",
            step["step"] + again,
            f"[{shade}]{state}[/]",
            took,
            escape(first_line(told)),
        )
    return table


def print_task(console: Console, task: dict[str, Any]) -> None:
    """The table, the whole error if there is one, and where the results are."""
    console.print(table_of(task))
    error = task["error"]
    if error:
        console.print(f"[red]{error.get('step', 'task')}:[/] {escape(error['message'])}\n")
        console.print(f"Mend it, then: actverse retry {task['task_id']}", soft_wrap=True)
    for output in sorted(task["outputs"], key=lambda o: str(o["name"])):
        size = f"{output['bytes'] / 1e6:9.2f} MB"
        console.print(f"{output['name']:<30} {size}  {output['url']}", soft_wrap=True)
