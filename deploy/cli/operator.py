"""The operator's verbs: they look at this machine and its data folder, not through the door."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from deploy.cli import parked, topology
from deploy.cli.doctor.finding import Finding
from deploy.cli.migrate import migrate
from deploy.cli.watch import terminal


def add_to(app: typer.Typer) -> None:
    """Give `app` these verbs."""
    app.command()(doctor)
    app.command()(key)
    app.command()(migrate)
    app.add_typer(parked.app, name="parked")
    app.add_typer(topology.app, name="topology")


def doctor(
    *,
    only: Annotated[str, typer.Option(help="Only these checks, separated by commas")] = "",
    wait: Annotated[float, typer.Option(min=0, help="Look again until all is well, s")] = 0.0,
    mail_to: Annotated[str | None, typer.Option(help="Send a test mail to this address")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Check this machine, its servers and the mesh; exit code 1 when something is wrong."""
    from deploy.cli.doctor import examine

    chosen = [name.strip() for name in only.split(",") if name.strip()]
    findings = examine.wait(lambda: examine.examine(only=chosen, mail_to=mail_to), wait)
    if as_json:
        print(json.dumps([vars(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        _print_findings(findings)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _print_findings(findings: list[Finding]) -> None:
    table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column("")
    table.add_column("what", no_wrap=True)
    table.add_column("finding", overflow="fold", ratio=1)
    for found in findings:
        mark = "[red]✗[/]" if not found.ok else "[green]✓[/]" if found.sure else "[yellow]?[/]"
        text = escape(found.text)
        if found.remedy:
            text += f"\n[bold]→ {escape(found.remedy)}[/]"
        table.add_row(mark, found.what, text)
    console = terminal()
    console.print(table)
    wrong = sum(not found.ok for found in findings)
    unseen = sum(not found.sure for found in findings)
    said = "[green]all well[/]" if not wrong else f"[red]{wrong} to mend[/]"
    console.print(said + (f", {unseen} not to be seen from here" if unseen else ""))


def key(
    user: Annotated[str, typer.Argument(help="Name of the user; made when there is none")],
    *,
    revoke: Annotated[bool, typer.Option(help="Make every key of the user useless")] = False,
) -> None:
    """Print a new API key for a user; it is shown this once, only its hash is kept."""
    from shared import wiring
    from shared.admission.callers import new_key, revoke_keys, user_named
    from shared.db import migrate
    from shared.settings import Settings

    platform = wiring.build(Settings())
    migrate.upgrade(platform.engine)
    with platform.sessions.begin() as session:
        owner = user_named(session, user)
        said = f"{revoke_keys(session, owner)} keys revoked" if revoke else new_key(session, owner)
    print(said)
