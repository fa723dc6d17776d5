"""`actverse topology`: the exchanges, queues and bindings that the mesh needs."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Exchanges, queues and bindings of the broker.")


@app.command("list")
def list_queues() -> None:
    """Print what the map asks of the broker."""
    from shared import wiring
    from shared.settings import Settings

    for queue in wiring.topology(Settings()).queues:
        print(f"{queue.name}  <- {queue.exchange}")
        for key in queue.keys:
            print(f"    {key}")


@app.command()
def apply() -> None:
    """Declare what is missing; harmless when nothing is."""
    from shared import wiring
    from shared.settings import Settings

    wiring.build(Settings()).broker.apply()
    print("the topology is in place")


@app.command()
def verify() -> None:
    """Say what differs; exit code 1 when something does."""
    from shared import wiring
    from shared.settings import Settings

    differences = wiring.build(Settings()).broker.verify()
    for difference in differences:
        print(difference)
    if differences:
        raise typer.Exit(1)
    print("the topology is in place")
