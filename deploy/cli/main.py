"""The verbs of `actverse`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.cli import doctor as checks
from deploy.cli.client import Client, address
from deploy.cli.watch import table_of, watch
from deploy.local import mesh
from shared.errors import ActverseError, BadInput
from shared.pipelines import atlas, render

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()
TaskId = Annotated[str, typer.Argument(help="The task's id, as `submit` printed it")]


def _client() -> Client:
    return Client(*address())


@app.command()
def up() -> None:
    """Run the embedded mesh until Ctrl-C."""
    raise typer.Exit(mesh.main())


@app.command()
def submit(
    video: Annotated[str, typer.Argument(help="http(s):// or s3:// URL, or a file here")],
    frames: Annotated[int, typer.Option(help="Frames to label")] = 60,
    labeler: Annotated[str, typer.Option(help="folder or auto")] = "folder",
    classes: Annotated[str, typer.Option(help="Class names, separated by commas")] = "animal",
    options: Annotated[str, typer.Option(help="More options as JSON, see `pipelines`")] = "{}",
    *,
    follow: Annotated[bool, typer.Option("--watch", help="Follow it at once")] = False,
) -> None:
    """Submit a video; prints the task's id."""
    if "://" not in video and not Path(video).is_file():
        raise BadInput(f"There is no file {video}.")
    try:
        more: dict[str, Any] = json.loads(options)
    except ValueError as error:
        raise BadInput(f"--options is not JSON: {error}") from error
    wish = {
        "num_frames": frames,
        "labeler": labeler,
        "classes": [c.strip() for c in classes.split(",") if c.strip()],
        **more,
    }
    with _client() as client:
        task_id = client.submit(video, wish)
        print(task_id)
        if follow:
            _follow(client, task_id)


@app.command("watch")
def watch_task(task_id: TaskId) -> None:
    """Live bars until the task ends; exit code 1 when it failed."""
    with _client() as client:
        _follow(client, task_id)


def _follow(client: Client, task_id: str) -> None:
    task = watch(client, task_id, console)
    console.print(table_of(task))
    if task["state"] != "SUCCEEDED":
        raise typer.Exit(1)


@app.command()
def status(
    task_id: TaskId,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """How far a task is."""
    with _client() as client:
        if as_json:
            print(json.dumps(client.status(task_id), indent=2))
        else:
            console.print(table_of(client.task(task_id)))


@app.command("list")
def list_tasks(limit: int = 20) -> None:
    """Your newest tasks."""
    table = Table("task", "pipeline", "state", "created")
    with _client() as client:
        for task in client.call("GET", "/tasks/", params={"limit": limit})["items"]:
            table.add_row(task["task_id"], task["pipeline"], task["state"], task["created_at"][:19])
    console.print(table)


@app.command()
def cancel(task_id: TaskId) -> None:
    """Stop a task."""
    with _client() as client:
        client.call("POST", f"/tasks/{task_id}/cancel")
    print(f"{task_id} is cancelled")


@app.command()
def retry(
    task_id: TaskId,
    step: Annotated[str | None, typer.Option(help="From this step on; default: the failed")] = None,
) -> None:
    """Run the failed step again, and everything after it."""
    with _client() as client:
        client.call("POST", f"/tasks/{task_id}/retry", json={"step": step})
    print(f"{task_id} goes on")


@app.command()
def pipelines(
    *,
    mermaid: Annotated[bool, typer.Option(help="As a Mermaid flow chart")] = False,
    name: Annotated[str | None, typer.Option(help="Only this one")] = None,
) -> None:
    """Print the map: which step follows which event."""
    shown = [atlas.pipeline(name)] if name else list(atlas.PIPELINES.values())
    draw = render.as_mermaid if mermaid else render.as_text
    print("\n\n".join(draw(p) for p in shown))


@app.command()
def doctor() -> None:
    """Check this machine and the mesh on it; exit code 1 when something is wrong."""
    findings = checks.examine()
    table = Table("", "what", "finding", "what mends it")
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]wrong[/]"
        table.add_row(mark, finding.what, finding.text, finding.remedy)
    console.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    """Entry point: errors are one sentence, not a traceback."""
    try:
        app(prog_name="actverse")
    except ActverseError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
