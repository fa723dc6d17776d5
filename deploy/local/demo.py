"""A video becomes a detector of its own, before your eyes: `python -m deploy.local.demo`.

Without a video it renders one, with exact truth. It starts the mesh (or uses the one that runs
here), plays the annotator in two rounds, and ends with a table of both; what it started it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.table import Table

from deploy.cli.client import Client
from deploy.cli.learning import print_rounds
from deploy.cli.watch import table_of, terminal
from deploy.local.annotator import Annotator, classes_of
from deploy.local.demo_rounds import another_round, watch_with
from deploy.local.running import demonstrated, mesh_and_client
from shared.errors import BadInput
from shared.settings import Settings

console = terminal()
# fewer epochs than training would take by itself: somebody watches
FULL = {"seconds": 20, "frames": 60, "epochs": 24, "more_frames": 20, "more_epochs": 16, "int8": 1}
SHORT = {"seconds": 8, "frames": 24, "epochs": 6, "more_frames": 10, "more_epochs": 4, "int8": 0}


def main() -> int:
    """Run the demonstration; 0 when a detector came out."""
    asked = _arguments()
    return demonstrated(console, lambda: _demonstrate(asked))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, help="your own video; default: a rendered arena")
    parser.add_argument(
        "--truth", type=Path, help="csv frame,track,x,y,w,h[,class]; plays the annotator"
    )
    parser.add_argument(
        "--labeler", choices=("folder", "auto"), help="default: folder with a truth, else auto"
    )
    parser.add_argument("--short", action="store_true", help="fewer frames and epochs")
    return parser.parse_args()


def _demonstrate(asked: argparse.Namespace) -> int:
    begun = time.monotonic()
    size = SHORT if asked.short else FULL
    video, truth = _material(asked, size["seconds"])
    labeler = asked.labeler or ("folder" if truth else "auto")
    if labeler == "auto":
        console.print(
            "LABELER=auto: the global model's confident boxes are accepted as labels; "
            "no person has looked at them."
        )
        truth = None
    elif truth is None:
        raise BadInput("LABELER=folder needs TRUTH=boxes.csv here: nobody else would label.")
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(mesh_and_client(stack, console))
        task = _run(client, video, truth, labeler, size)
        first = time.monotonic() - begun
        _tell(task, first)
        if task["state"] != "SUCCEEDED":
            return 1
        second, rounds = another_round(client, console, task, truth, size)
    seconds = time.monotonic() - begun
    print_rounds(console, rounds)
    console.print(f"\n{'round one':<22}{first:8.1f} s\n{'both rounds':<22}{seconds:8.1f} s")
    summary = Settings().data_dir / "demo" / "last.json"
    told = {"task": task, "second": second, "rounds": rounds, "seconds": seconds}
    summary.parent.mkdir(parents=True, exist_ok=True)
    summary.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return 0 if second["state"] == "SUCCEEDED" else 1


def _material(asked: argparse.Namespace, seconds: int) -> tuple[Path, Path | None]:
    """The video and its truth; rendered when none was given."""
    for path in (asked.video, asked.truth):
        if path is not None and not path.is_file():
            raise BadInput(f"There is no file {path}.")
    if asked.video is not None:
        return asked.video, asked.truth
    from deploy.simulator.arena import render_arena

    folder = Settings().data_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    video, truth = folder / f"arena_{seconds}s.mp4", folder / f"arena_{seconds}s.csv"
    if not (video.exists() and truth.exists()):
        with console.status(f"rendering {seconds} s of an open field with three animals ..."):
            render_arena(video, truth, seconds=seconds)
    return video, truth


def _run(
    client: Client, video: Path, truth: Path | None, labeler: str, size: dict[str, int]
) -> dict[str, Any]:
    options: dict[str, Any] = {
        "num_frames": size["frames"],
        "labeler": labeler,
        "training": {"epochs": size["epochs"]},
        "promotion": {"int8": bool(size["int8"])},  # the second round keeps to it
    }
    if truth is not None:
        options["classes"] = _classes(video, truth)
    task_id = client.submit(str(video), options)
    console.print(f"task {task_id}: {video}")
    annotator = Annotator(client, task_id, truth) if truth else None
    return watch_with(client, console, task_id, annotator)


def _classes(video: Path, truth: Path) -> list[str]:
    from services.video_processor.engines.probe import probe

    found = probe(video)
    return classes_of(truth, found.width, found.height)


def _tell(task: dict[str, Any], seconds: float) -> None:
    console.print()
    console.print(table_of(task))
    if task["error"]:
        console.print(
            f"[red]{task['error']['step']}:[/] {task['error']['message']}", soft_wrap=True
        )
        return
    metrics = task["results"]["metrics"]
    scores = Table(
        title=f"on {metrics['frames']} frames never trained on ({metrics['boxes']} boxes, "
        f"leakage {metrics['leakage']:.0%})",
        title_justify="left",
    )
    for column in ("model", "mAP50", "mAP50-95", "precision", "recall"):
        scores.add_column(column, justify="left" if column == "model" else "right")
    rows = (
        ("global", "global_any_class"),
        ("yours, any class", "user_any_class"),
        ("yours", "user"),
    )
    for name, key in rows:
        found = metrics[key]
        scores.add_row(
            name, *(f"{found[k]:.3f}" for k in ("map50", "map50_95", "precision", "recall"))
        )
    console.print(scores)
    if task["options"]["labeler"] == "auto":
        console.print(
            "note: these labels are the global model's own boxes, so the figures say how far the "
            "models agree with it, not how right they are.",
            soft_wrap=True,
        )
    for warning in metrics["warnings"]:
        console.print(f"note: {warning}", soft_wrap=True)
    console.print(f"{'total':<22}{seconds:8.1f} s, served by {task['results']['server']}")
    root = Settings().data_dir / task["results"]["inference_result_path"]
    for output in sorted(task["outputs"], key=lambda o: o["name"]):
        console.print(
            f"{output['name']:<30}{output['bytes'] / 1e6:8.2f} MB  {root / output['name']}",
            soft_wrap=True,
        )


if __name__ == "__main__":
    sys.exit(main())
