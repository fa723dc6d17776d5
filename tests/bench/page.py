"""The table as a page, with everything that a reader needs to judge it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.bench.rows import Row

LIBRARIES = (
    "celery",
    "kombu",
    "sqlalchemy",
    "ultralytics",
    "torch",
    "onnxruntime",
    "openvino",
    "av",
)
VERDICTS = {True: "pass", False: "**miss**", None: "-"}


def machine() -> dict[str, str]:
    """What it runs on, now."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_processor()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, {platform.system()} {platform.release()}",
        "load before the run (1, 5, 15 minutes)": load,
        "versions": f"Python {platform.python_version()}, {libraries}",
        "command": " ".join(["python -m tests.bench", *sys.argv[1:]]),
    }


def text(rows: Sequence[Row], about: dict[str, str], minutes: float) -> str:
    """The page in Markdown."""
    lines = [
        "# Speed",
        "",
        (
            "Written by `make bench`. In each round the sides take turns; the ratio is that of the median "
            "round, in brackets the lowest and the highest; figures of a machine that does other "
            "work beside are worth less than their digits."
        ),
        "",
        *(f"- {name}: {value}" for name, value in about.items()),
        f"- took: {minutes:.1f} minutes",
        "",
        "| what | goal | measured | | ours | theirs |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.what} | {row.goal} | {row.measured} | {VERDICTS[row.passed]} "
            f"| {row.ours} | {row.theirs} |"
            for row in rows
        ),
        "",
        "## How each was measured",
        "",
        *(f"- **{row.what}**: {row.remark}" for row in rows if row.remark),
        "",
    ]
    return "\n".join(lines)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
