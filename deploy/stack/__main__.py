"""The mesh in containers, started and tried: `python -m deploy.stack up`, and `down`.

`up` builds, starts, waits until every health check is content, sends one video through the gateway,
and prints what became of it; the stack goes on running. `down` removes the containers; what they
have stored goes only with `--volumes`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from deploy.cli.client import Client
from deploy.cli.watch import print_task, terminal, watch
from deploy.stack.compose import PROFILES, ROOT, Compose
from deploy.stack.environment import make_environment
from shared.errors import ActverseError, BadInput
from shared.settings import Settings

WELL_WITHIN_S = 600.0
VIDEO_S = 8
FRAMES, EPOCHS = 24, 6  # enough to see every step at work, not for a good detector
GATEWAY_PORT = 8080  # in its container
CONTENT = {
    "postgres": "tasks, users, API keys, the registry of models",
    "minio": "videos, frames, labels, models, results",
    "work": "unfinished work, labelings",
    "gateway": "the first API key",
    "models": "the model server's repository",
    "weights": "weights that you put there",
    "rabbitmq": "messages under way",
    "rabbitmq-log": "words of its start",
    "redis": "live progress",
    "prometheus": "figures",
    "grafana": "changes to dashboards",
}


def main() -> int:
    """Start and try, or remove; 0 when that went well."""
    asked = _arguments()
    console = terminal()
    try:
        if asked.verb == "up":
            return _up(asked, console)
        return _down(asked, console)
    except ActverseError as error:
        console.print(f"[red]error:[/] {error}", soft_wrap=True, highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.stack", description=__doc__)
    parser.add_argument("--env-file", type=Path, default=ROOT / ".env")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="build, start, wait, run one task")
    up.add_argument("--profile", choices=("cpu", "gpu"), help="with Triton; default: without")
    up.add_argument("--video", type=Path, help="default: a rendered arena")
    up.add_argument("--no-task", action="store_true", help="only start")
    down = verbs.add_parser("down", help="remove the containers")
    down.add_argument("--volumes", action="store_true", help="and everything they have stored")
    return parser.parse_args()


def _up(asked: argparse.Namespace, console: Console) -> int:
    begun = time.monotonic()
    if asked.video is not None and not asked.video.is_file():
        raise BadInput(f"There is no file {asked.video}.")
    if make_environment(asked.env_file):
        console.print(f"made {asked.env_file} with random secrets", soft_wrap=True)
    compose = Compose(asked.env_file, _with_profile(asked.profile))
    compose.run("build")
    console.print(f"built after {time.monotonic() - begun:.0f} s; starting ...")
    compose.run("up", "--detach", "--remove-orphans")
    compose.wait_until_well(WELL_WITHIN_S, lambda line: console.print(f"  {line}", style="dim"))
    console.print(f"everything is well after {time.monotonic() - begun:.0f} s")
    url = f"http://{compose.ask('port', 'gateway', str(GATEWAY_PORT))}"
    key = compose.ask("exec", "--no-TTY", "gateway", "cat", "/data/api_key")
    state = "SUCCEEDED" if asked.no_task else _try(url, key, asked.video, console)
    console.print(f"\n  URL      {url}   (documentation: {url}/docs)")
    console.print("  API key  docker compose exec gateway cat /data/api_key")
    console.print("  make stack-down removes the containers\n")
    return 0 if state == "SUCCEEDED" else 1


def _with_profile(profile: str | None) -> dict[str, str]:
    """What a model server's profile means for the variables of docker-compose.yml."""
    if profile is None:
        return {}
    return {
        "COMPOSE_PROFILES": profile,
        "MODEL_SERVER": "triton://triton:8001",
        "MODEL_DEVICE": profile,
    }


def _try(url: str, key: str, video: Path | None, console: Console) -> str:
    """One task through the gateway; its state."""
    options = {
        "num_frames": FRAMES,
        "labeler": "auto",
        "training": {"epochs": EPOCHS},
    }
    with Client(url, key) as client:
        task_id = client.submit(str(video or _arena(console)), options)
        console.print(f"task {task_id}")
        task = watch(client, task_id, console)
        console.print()
        print_task(console, task)
        if task["state"] == "SUCCEEDED":
            _fetch(client, task_id, console)
    return str(task["state"])


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


def _down(asked: argparse.Namespace, console: Console) -> int:
    make_environment(asked.env_file)  # compose wants the variables even to remove
    compose = Compose(asked.env_file, {"COMPOSE_PROFILES": ",".join(PROFILES)})
    more = []
    if asked.volumes:
        console.print("[red]These volumes are deleted, and what is in them:[/]")
        for volume in compose.ask("config", "--volumes").split():
            console.print(f"  {volume:<12} {CONTENT.get(volume, '')}", highlight=False)
        more = ["--volumes"]
    compose.run("down", "--remove-orphans", *more)
    if not asked.volumes:
        console.print("What was stored stays in the volumes; VOLUMES=delete removes them too.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
