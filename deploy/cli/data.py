"""`actverse data`: versions of a task's data set, out to other tools, and labels of theirs in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from deploy.cli.client import Client, Refused, address
from deploy.cli.watch import terminal
from shared.errors import BadInput, Conflict, Unavailable
from shared.labels.formats.table import FORMATS

HERE = Path.cwd()  # where the user is
PATIENCE_S = 300.0  # until the next piece of an archive
TaskId = Annotated[str, typer.Argument(help="The task's id, as `submit` printed it")]
Format = Annotated[str, typer.Option("--format", help=", ".join(FORMATS))]
AsJson = Annotated[bool, typer.Option("--json", help="For programs")]
data = typer.Typer(no_args_is_help=True, help="Data sets out, labels in.")


def add_to(app: typer.Typer) -> None:
    """Give `app` these verbs."""
    app.add_typer(data, name="data")


@data.command("list")
def list_versions(task_id: TaskId, *, as_json: AsJson = False) -> None:
    """The versions of a task's data set; each round makes one."""
    with Client(*address()) as client:
        view = client.call("GET", f"/datasets/{task_id}")
    if as_json:
        print(json.dumps(view, indent=2, ensure_ascii=False))
        return
    table = Table("version", "sha256", "frames", "train", "val", "boxes", box=SIMPLE_HEAD)
    for version in view["versions"]:
        counts = version["counts"]
        boxes = ", ".join(f"{name} {n}" for name, n in counts["boxes"].items())
        splits = (str(counts["splits"].get(name, 0)) for name in ("train", "val"))
        table.add_row(
            str(version["number"]), version["sha256"][:12], str(counts["frames"]), *splits, boxes
        )
    terminal().print(table)


@data.command("export")
def export(
    task_id: TaskId,
    to: Annotated[str, typer.Argument(help="The zip file to write")],
    into: Format = "yolo",
    version: Annotated[
        str | None, typer.Option(help="Its sha256, or how that begins; default: the newest")
    ] = None,
) -> None:
    """Write a version of the data set, with its images, for another tool."""
    _known(into)
    target = HERE / to
    if target.exists():
        raise Conflict(f"{target} is there already. Name another file, or remove it.")
    url, key = address()
    with Client(url, key) as client:
        versions = client.call("GET", f"/datasets/{task_id}")["versions"]
    if not versions:
        raise Conflict(f"Task {task_id} has no data set yet; training makes one.")
    name = version or versions[-1]["sha256"]
    part = target.with_name(target.name + ".part")
    try:
        _download(url, key, f"/datasets/{task_id}/{name}/export", {"format": into}, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    print(f"{target} ({target.stat().st_size} bytes)")


def _download(url: str, key: str, path: str, query: dict[str, str], to: Path) -> None:
    """An answer into a file; half of one raises."""
    headers = {"Authorization": f"Bearer {key}"}
    try:
        with (
            httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S) as http,
            http.stream("GET", path, params=query) as answer,
        ):
            if answer.is_error:
                problem = json.loads(answer.read() or b"{}")
                raise Refused(answer.status_code, problem)
            with to.open("wb") as out:
                for piece in answer.iter_bytes():
                    out.write(piece)
    except httpx.TransportError as error:
        raise Unavailable(f"The archive of {url} broke off ({error}). Try again.") from error


@data.command("import")
def import_labels(
    task_id: TaskId,
    source: Annotated[str, typer.Argument(help="The file that another tool wrote")],
    of: Format = "yolo",
    *,
    store: Annotated[
        bool, typer.Option("--store", help="Store them; else it is only said what would happen")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take labels for the frames of a task, matched by the names of the images."""
    _known(of)
    path = HERE / source
    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    query = {"format": of, "dry_run": str(not store).lower()}
    with Client(*address()) as client, path.open("rb") as file:
        parts = {"file": (path.name, file, "application/octet-stream")}
        view = client.call(
            "POST", f"/labels/{task_id}/import", params=query, files=parts, timeout=None
        )
    if as_json:
        print(json.dumps(view, indent=2, ensure_ascii=False))
        return
    _say(view)


def _say(view: dict[str, Any]) -> None:
    print(
        f"{view['labelled']} frames with {view['boxes']} boxes, {view['empty']} confirmed empty, "
        f"{view['changed']} differ from what is stored; {view['left']} of {view['frames']} frames "
        f"are not in the file, {view['foreign']} of its images are no frames of the task."
    )
    for sentence in view["told"]:
        print(sentence)
    if view["dry_run"]:
        print("Nothing was changed; --store stores them.")
    else:
        print(f"Stored the labels of {view['stored']} frames.")


def _known(name: str) -> None:
    if name not in FORMATS:
        raise BadInput(f"There is no format {name!r}. Choose one of: {', '.join(FORMATS)}.")
