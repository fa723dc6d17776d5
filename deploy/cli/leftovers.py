"""`actverse leftovers`: files that nobody owns, as the clock removes them every hour."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Give `app` the verb."""
    app.command("leftovers")(leftovers)


def leftovers(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Remove what interrupted uploads left: folders without a task, announcements that never came."""
    from shared import wiring
    from shared.flow import leftovers as left
    from shared.settings import Settings

    platform = wiring.build(Settings())
    found = left.find(platform)
    if not dry_run:
        left.clear(platform, found)
    named = [*found.folders, *(key for _, key in found.announced)]
    if as_json:
        print(json.dumps({"removed": not dry_run, "leftovers": named}, indent=2))
        return
    for each in named:
        print(each)
    print(f"{len(named)} {'would be' if dry_run else 'were'} removed")
