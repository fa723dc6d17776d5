"""A line is said after an actor by several learners: `python -m deploy.local.demo_speech`.

It starts the mesh (or uses the one that runs here), puts the line into the catalogue, sends all
recordings at once, and shows how far each is and how it was said. What it started it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from deploy.cli.client import Client
from deploy.cli.comparison import SCORES, print_comparison, summary
from deploy.cli.speech import compared, line_there
from deploy.cli.watch import terminal
from deploy.local.running import demonstrated, mesh_and_client
from deploy.local.voices import Learner, Line, bundled, from_beside, of_yours
from shared.errors import ActverseError
from shared.settings import Settings

LOOK_EVERY_S = 0.1
console = terminal()


def main() -> int:
    """Run the demonstration; 0 when every recording was compared."""
    asked = _arguments()
    return demonstrated(console, lambda: _demonstrate(asked))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actor", type=Path, help="a take of your own; needs --text")
    parser.add_argument("--text", help="what is said in it, word for word")
    parser.add_argument("--say", type=Path, action="append", help="your recordings of it")
    parser.add_argument("--language", choices=("en", "ko"), default="en", help="of the advice")
    return parser.parse_args()


def _demonstrate(asked: argparse.Namespace) -> int:
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        line = _line(asked, folder)
        client = stack.enter_context(mesh_and_client(stack, console))
        with console.status("the actor's take is aligned with its text ..."):
            token = line_there(client, line.take, **line.told)
        console.print(
            f"\n{line.actor}, {line.title}: [bold]{escape(line.text)}[/]", highlight=False
        )
        console.print(f"[dim]{line.voices}[/]\n", highlight=False)
        told = _all_say(client, token["id"], line, asked.language)
    for learner in line.learners:
        how = told[learner.name]
        if learner.shown and isinstance(how, dict):
            console.print(f"\n[bold]{learner.name}[/]")
            print_comparison(console, how)
    seconds = time.monotonic() - begun
    console.print(f"\n{len(line.learners)} recordings, {seconds:.1f} s with the start of the mesh")
    kept = {name: each if isinstance(each, dict) else str(each) for name, each in told.items()}
    to = Settings().data_dir / "demo" / "last_speech.json"
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
    return 0 if all(isinstance(each, dict) for each in told.values()) else 1


def _line(asked: argparse.Namespace, folder: Path) -> Line:
    if asked.actor is not None:
        return of_yours(asked.actor, asked.text or "", asked.say or [], folder)
    return from_beside(folder) or bundled("sea", folder)


def _all_say(
    client: Client, token: str, line: Line, language: str
) -> dict[str, dict[str, Any] | ActverseError]:
    """Send all recordings at once and show them live; what was told last of each, or what went wrong."""
    news: dict[str, dict[str, Any]] = {}

    def say(learner: Learner) -> None:
        for told in compared(client, token, learner.recording, language=language):
            news[learner.name] = told

    with (
        ThreadPoolExecutor(max_workers=len(line.learners)) as pool,
        Live(console=console, refresh_per_second=8, transient=True) as live,
    ):
        running = {each.name: pool.submit(say, each) for each in line.learners}
        while not all(each.done() for each in running.values()):
            live.update(_table(line, news, running))
            time.sleep(LOOK_EVERY_S)
    console.print(_table(line, news, running))
    ended: dict[str, dict[str, Any] | ActverseError] = {}
    for name, each in running.items():
        error = each.exception()
        if error is not None and not isinstance(error, ActverseError):
            raise error
        ended[name] = news[name] if error is None else error
    return ended


def _table(line: Line, news: dict[str, dict[str, Any]], running: dict[str, Future[None]]) -> Group:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("who", no_wrap=True)
    table.add_column("", no_wrap=True, width=10)
    for name in SCORES:
        table.add_column(name, justify="right", no_wrap=True)
    errors = []
    for learner in line.learners:
        told, each = news.get(learner.name, {}), running[learner.name]
        error = each.exception() if each.done() else None
        cells = [""] * len(SCORES)
        if error is not None:
            errors.append(f"[red]{learner.name}:[/] {escape(str(error))}")
            done = "[red]failed[/]"
        elif told.get("result"):
            done, cells = "[green]done[/]", summary(told["result"])
        else:
            done = f"{told.get('progress', 0):>3} %"
        table.add_row(learner.name, done, *cells)
    return Group(table, *errors)


if __name__ == "__main__":
    sys.exit(main())
