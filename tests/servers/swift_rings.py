"""The three rings of a Swift on one folder: `python -m tests.servers.swift_rings ETC PORT PORT PORT`.

A process of its own, because importing Swift changes the locks of `logging` for its green threads,
and then the threads of a test hang.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.servers.ports import HOST

KINDS = ("account", "container", "object")


def main(etc: Path, *ports: int) -> None:
    """Write `<kind>.ring.gz` into `etc`, each with one device on the port of that kind's server."""
    from swift.common.ring import RingBuilder

    for kind, port in zip(KINDS, ports, strict=True):
        ring = RingBuilder(part_power=6, replicas=1, min_part_hours=0)
        device = {"id": 0, "region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": ""}
        where = {"ip": HOST, "port": port, "replication_ip": HOST, "replication_port": port}
        ring.add_dev({**device, **where})
        ring.rebalance()
        ring.get_ring().save(str(etc / f"{kind}.ring.gz"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
