"""The second round of the demonstration: what was hard is labelled, and the detector taught on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.cli.client import Client
from deploy.cli.learning import begin_round
from deploy.cli.watch import table_of, watch
from deploy.local.annotator import Annotator


def another_round(
    client: Client,
    console: Console,
    first: dict[str, Any],
    truth: Path | None,
    size: dict[str, int],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Teach on from the finished task `first`; the round's task, and what is told of both rounds."""
    root = str(first["task_id"])
    wish = {"num_frames": size["more_frames"], "training": {"epochs": size["more_epochs"]}}
    task_id = begin_round(client, root, wish)
    console.print(
        f"\nround two, task {task_id}: {size['more_frames']} frames where the model is unsure, or sees "
        "what it has not seen; the model of round one suggests the boxes",
        soft_wrap=True,
    )
    annotator = None
    if truth is not None:
        pixels = (first["results"]["width"], first["results"]["height"])
        annotator = Annotator(client, task_id, truth, size=pixels)
    task = watch_with(client, console, task_id, annotator)
    console.print()
    console.print(table_of(task))
    if task["error"]:
        console.print(
            f"[red]{task['error']['step']}:[/] {task['error']['message']}", soft_wrap=True
        )
    return task, dict(client.call("GET", f"/tasks/{root}/rounds"))


def watch_with(
    client: Client, console: Console, task_id: str, annotator: Annotator | None
) -> dict[str, Any]:
    """Follow a task to its end while the annotator, if there is one, labels its frames."""
    if annotator:
        annotator.start()
    task = watch(client, task_id, console)
    if annotator and annotator.problem:
        console.print(f"[red]annotator:[/] {annotator.problem}", soft_wrap=True)
    elif annotator:
        console.print(
            f"the annotator labelled {annotator.frames} frames with {annotator.boxes} boxes"
        )
    return task
