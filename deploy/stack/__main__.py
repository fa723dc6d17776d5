"""The mesh in containers, started and tried: `python -m deploy.stack up`, and `down`.

`up` builds, starts, waits until every health check is content, sends one video and one recording of a line
through the gateway, and prints what became of them; the stack goes on running. `down` removes the containers; what they
have stored goes only with `--volumes`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from deploy.cli.client import Client
from deploy.cli.watch import terminal
from deploy.stack import trial
from deploy.stack.compose import PROFILES, ROOT, Compose
from deploy.stack.environment import make_environment
from shared.errors import ActverseError, BadInput

WELL_WITHIN_S = 600.0
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
    up = verbs.add_parser("up", help="build, start, wait, try")
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
    went_well = asked.no_task or _tried(url, key, asked.video, console)
    console.print(f"\n  URL      {url}   (documentation: {url}/docs)")
    console.print("  API key  docker compose exec gateway cat /data/api_key")
    console.print("  make stack-down removes the containers\n")
    return 0 if went_well else 1


def _tried(url: str, key: str, video: Path | None, console: Console) -> bool:
    """Whether each kind of work comes through: a video, and a line said after an actor."""
    with Client(url, key) as client:
        state = trial.analyse(client, video, console)
        trial.compare(client, console)
    return state == "SUCCEEDED"


def _with_profile(profile: str | None) -> dict[str, str]:
    """What a model server's profile means for the variables of docker-compose.yml."""
    if profile is None:
        return {}
    return {
        "COMPOSE_PROFILES": profile,
        "MODEL_SERVER": "triton://triton:8001",
        "MODEL_DEVICE": profile,
    }


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
