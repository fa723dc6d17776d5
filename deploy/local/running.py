"""What demonstrations share: how they end, and a client of the mesh, which is started where none runs."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable

from rich.console import Console

from deploy.cli.client import Client, Refused, address
from deploy.local import triton
from deploy.local.mesh import Mesh
from deploy.local.state import STATE_FILE
from shared.errors import ActverseError, Unavailable
from shared.settings import Settings


def mesh_and_client(stack: contextlib.ExitStack, console: Console) -> Client:
    """A client of the mesh that runs here, or of one that ends with `stack`."""
    settings = Settings()
    if (settings.data_dir / STATE_FILE).exists():
        with contextlib.suppress(Unavailable, Refused):
            client = Client(*address())
            client.call("GET", "/tasks/", params={"limit": 1})
            console.print(f"using the mesh that runs at {client.url}")
            return client
    mesh = stack.enter_context(Mesh(settings, port=triton.free_ports(1)[0]))
    return Client(mesh.url, mesh.key)


def demonstrated(console: Console, demonstrate: Callable[[], int]) -> int:
    """The exit status of `demonstrate`: what goes wrong is said in a sentence, and a stop is no error."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        return demonstrate()
    except ActverseError as error:
        console.print(f"[red]error:[/] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
