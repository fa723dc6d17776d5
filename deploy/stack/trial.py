"""Whether work comes through a mesh: one of each kind, as a user sends it and gets its results."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

from deploy.cli.client import Client
from deploy.cli.comparison import print_comparison
from deploy.cli.speech import line_there, watched
from deploy.cli.watch import print_task, watch
from shared.settings import Settings

VIDEO_S = 8
FRAMES, EPOCHS = 24, 6  # enough to see every step at work, not for a good detector
LINE = "sea"


def analyse(client: Client, video: Path | None, console: Console) -> str:
    """A video, by default of a rendered open field, from frames to results; the task's state."""
    options = {
        "num_frames": FRAMES,
        "labeler": "auto",
        "training": {"epochs": EPOCHS},
    }
    task_id = client.submit(str(video or _arena(console)), options)
    console.print(f"task {task_id}")
    task = watch(client, task_id, console)
    console.print()
    print_task(console, task)
    if task["state"] == "SUCCEEDED":
        _fetch(client, task_id, console)
    return str(task["state"])


def compare(client: Client, console: Console) -> None:
    """A recording of a line that comes with the code, with scores; raises what went wrong."""
    from deploy.local.voices import bundled

    with tempfile.TemporaryDirectory() as folder:
        line = bundled(LINE, Path(folder))
        learner = next(each for each in line.learners if each.shown)
        token = line_there(client, line.take, **line.told)
        console.print(f"\n{learner.name} says: {line.text}", highlight=False)
        print_comparison(console, watched(client, token["id"], learner.recording, console))


def _fetch(client: Client, task_id: str, console: Console) -> None:
    """A result, by the way that a browser takes: from the gateway, or where it points to."""
    path = f"/tasks/{task_id}/outputs/results.json"
    results = client.call("GET", path, follow_redirects=True)
    boxes = sum(len(frame["detections"]) for frame in results["frames"])
    console.print(f"fetched results.json: {boxes} boxes on {len(results['frames'])} frames")


def _arena(console: Console) -> Path:
    """A rendered video, as the demonstration has it."""
    from deploy.simulator.arena import render_arena

    folder = Settings().data_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    video, truth = folder / f"arena_{VIDEO_S}s.mp4", folder / f"arena_{VIDEO_S}s.csv"
    if not (video.exists() and truth.exists()):
        console.print(f"rendering {VIDEO_S} s of an open field ...")
        render_arena(video, truth, seconds=VIDEO_S)
    return video
