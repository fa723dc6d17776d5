"""`python -m tests.bench`: speed against bare tools, as ratios; the whole run writes docs/bench.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import (
    against_prefect,
    analysis,
    extraction,
    gateway,
    int8,
    noop,
    page,
    standing,
    streams,
    training,
    upload,
)
from tests.bench.rows import Effort, Row

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "bench.md"
Bench = Callable[[Path, Effort, Callable[[str], None]], list[Row]]
BENCHES: dict[str, Bench] = {
    "noop": noop.measure,
    "servers": noop.measure_on_servers,
    "gateway": gateway.measure,
    "streams": streams.measure,
    "upload": upload.measure,
    "prefect": against_prefect.measure,
    "analysis": analysis.measure_speed,
    "int8": int8.measure,
    "memory": analysis.measure_memory,
    "extraction": extraction.measure,
    "training": training.measure,
    "mesh": standing.measure,
}


def main() -> int:
    """Measure, print and, when nothing was left out, write the page; 1 when a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of each side, for every row")
    parser.add_argument("--only", nargs="+", choices=BENCHES, metavar="NAME", help=str([*BENCHES]))
    parser.add_argument("--quick", action="store_true", help="a look; the page is not written")
    parser.add_argument("--prefect", action="store_true", help="also against Prefect (large)")
    given = parser.parse_args()
    usual = [name for name in BENCHES if given.prefect or name != "prefect"]
    about, begun = page.machine(), time.monotonic()
    os.environ.setdefault("YOLO_OFFLINE", "1")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in given.only or usual:
            rows += _measured(name, Path(folder), Effort(given.quick, given.rounds))
    minutes = (time.monotonic() - begun) / 60
    _print(rows)
    if not given.only and not given.quick:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page.text(rows, about, minutes), encoding="utf-8")
        _say("bench", f"{PAGE.relative_to(ROOT)} is written after {minutes:.1f} minutes")
    return 1 if any(row.passed is False for row in rows) else 0


def _measured(name: str, folder: Path, effort: Effort) -> list[Row]:
    """The rows of one bench; one that breaks costs its own rows only."""
    begun = time.monotonic()
    _say(name, "...")
    try:
        rows = BENCHES[name](folder, effort, lambda text: _say(name, text))
    except Exception as error:  # noqa: BLE001 - told in the table
        why = f"{type(error).__name__}: {error}"[:500]
        _say(name, f"failed: {why}")
        rows = [Row(name, "-", "not measured", False, "-", "-", why)]
    _say(name, f"took {time.monotonic() - begun:.0f} s")
    return rows


def _say(name: str, text: str) -> None:
    print(f"[{name}] {text}", flush=True)  # noqa: T201 - progress for whoever waits


def _print(rows: list[Row]) -> None:
    table = Table(show_lines=True)
    for column in ("what", "goal", "measured", "", "ours", "theirs"):
        table.add_column(column)
    for row in rows:
        verdict = page.VERDICTS[row.passed].strip("*")
        table.add_row(row.what, row.goal, row.measured, verdict, row.ours, row.theirs)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
