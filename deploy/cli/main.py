"""The verbs of `actverse`: a client of the REST interface, and the operator's own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from deploy.cli import account, data, deletion, learning, leftovers, operator, speech
from deploy.cli.client import Client, address
from deploy.cli.watch import COLOURS, print_task, terminal, watch
from shared.errors import ActverseError, BadInput
from shared.pipelines import atlas, render

ROOT = Path(__file__).resolve().parents[2]
HERE = Path.cwd()  # where the user is; settings are read in the checkout
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A video in, a detector of your own and its results out.",
)
TaskId = Annotated[str, typer.Argument(help="The task's id, as `submit` printed it")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs")]


def _client() -> Client:
    return Client(*address())


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


@app.command()
def up() -> None:
    """Run the embedded mesh until Ctrl-C."""
    from deploy.local import mesh

    raise typer.Exit(mesh.main())


@app.command()
def submit(
    video: Annotated[str, typer.Argument(help="http(s):// or s3:// URL, or a file here")],
    frames: Annotated[int, typer.Option(help="Frames to label")] = 60,
    labeler: Annotated[
        str, typer.Option(help="builtin, label_studio, cvat, folder or auto")
    ] = "builtin",
    classes: Annotated[str, typer.Option(help="Class names, separated by commas")] = "animal",
    options: Annotated[str, typer.Option(help="More options as JSON, see `pipelines`")] = "{}",
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same gives one task")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--watch", help="Follow it at once")] = False,
) -> None:
    """Submit a video; prints the task's id."""
    if "://" not in video:
        video = str(HERE / video)
        if not Path(video).is_file():
            raise BadInput(f"There is no file {video}.")
    try:
        more = json.loads(options)
    except ValueError as error:
        raise BadInput(f"--options is not JSON: {error}") from error
    if not isinstance(more, dict):
        raise BadInput('--options is a JSON object, for example {"training": {"epochs": 30}}.')
    wish = {
        "num_frames": frames,
        "labeler": labeler,
        "classes": [c.strip() for c in classes.split(",") if c.strip()],
        **more,
    }
    with _client() as client:
        task_id = client.submit(video, wish, key=key)
        print(task_id, flush=True)
        if follow:
            _follow(client, task_id)


@app.command("watch")
def watch_task(task_id: TaskId, *, as_json: AsJson = False) -> None:
    """Live bars until the task ends; exit code 1 when it did not succeed."""
    with _client() as client:
        if not as_json:
            _follow(client, task_id)
            return
        for name, data in client.events(task_id):
            print(json.dumps({"event": name, **data}, ensure_ascii=False), flush=True)
        _exit_as(client.task(task_id))


def _follow(client: Client, task_id: str) -> None:
    console = terminal()
    task = watch(client, task_id, console)
    print_task(console, task)
    _exit_as(task)


def _exit_as(task: dict[str, Any]) -> None:
    if task["state"] != "SUCCEEDED":
        raise typer.Exit(1)


@app.command()
def status(task_id: TaskId, *, as_json: AsJson = False) -> None:
    """How far a task is."""
    with _client() as client:
        if as_json:
            _print_json(client.status(task_id))
        else:
            print_task(terminal(), client.task(task_id))


@app.command("list")
def list_tasks(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    state: Annotated[str | None, typer.Option(help="QUEUED, RUNNING, WAITING, FAILED ...")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Your newest tasks."""
    asked = {"limit": limit} | ({"state": state.upper()} if state else {})
    with _client() as client:
        items = client.call("GET", "/tasks/", params=asked)["items"]
    if as_json:
        _print_json(items)
        return
    table = Table("task", "pipeline", "state", "created", "source", box=SIMPLE_HEAD, expand=True)
    table.columns[-1].ratio, table.columns[-1].no_wrap = 1, True
    for column in table.columns[:-1]:
        column.no_wrap = True
    for task in items:
        shade = COLOURS.get(task["state"], "white")
        created = task["created_at"][:19].replace("T", " ")
        source = str(task["options"].get("file_path", ""))
        table.add_row(
            task["task_id"], task["pipeline"], f"[{shade}]{task['state']}[/]", created, source
        )
    terminal().print(table)


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
    *,
    follow: Annotated[bool, typer.Option("--watch", help="Follow it at once")] = False,
) -> None:
    """Run the failed step again, and everything after it."""
    with _client() as client:
        client.call("POST", f"/tasks/{task_id}/retry", json={"step": step})
        print(f"{task_id} goes on", flush=True)
        if follow:
            _follow(client, task_id)


@app.command()
def pipelines(
    *,
    mermaid: Annotated[bool, typer.Option(help="As a Mermaid flow chart")] = False,
    name: Annotated[str | None, typer.Option(help="Only this one")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the map: which step follows which event."""
    shown = [atlas.pipeline(name)] if name else list(atlas.PIPELINES.values())
    if as_json:
        _print_json([render.as_json(p) for p in shown])
        return
    draw = render.as_mermaid if mermaid else render.as_text
    print("\n\n".join(draw(p) for p in shown))


learning.add_to(app)
data.add_to(app)
speech.add_to(app)
deletion.add_to(app)
account.add_to(app)
operator.add_to(app)
leftovers.add_to(app)


def main() -> None:
    """Entry point: errors are one sentence, not a traceback."""
    os.chdir(ROOT)  # relative settings mean the same wherever the user is
    try:
        app(prog_name="actverse")
    except ActverseError as error:
        _fail(str(error))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        _fail(f"a setting does not fit: {wrong}")
    except BrokenPipeError:  # `actverse list | head`
        sys.stdout = None  # type: ignore[assignment]
        sys.exit(0)


def _fail(sentence: str) -> None:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
