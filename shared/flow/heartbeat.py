"""A file that says: this process still turns. What keeps it alive is the very loop that does the work.

    python -m shared.flow.heartbeat        0 if the last beat is young, else 1 and a sentence

A worker beats in the event loop of its consumer, which ends with the connection to the broker; beat
and clock after each round that succeeded. So the file grows old when a process hangs **and** when it
cannot reach what it needs: unhealthy, but not to be killed for it, since work in the pool goes on.

The check runs every few seconds in every container, beside torch and little memory: it imports
nothing but the standard library.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

EVERY_S = 5.0
TOO_OLD_S = 30.0
VARIABLE = "ACTVERSE_HEARTBEAT"


def beat(file: Path | None) -> None:
    """Write down that it is now; None is a process that nobody watches.

    The time is the machine's monotonic one: all its processes share it, and nobody sets it.
    """
    if file is None:
        return
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        temporary.write_text(f"{time.monotonic():.3f}", encoding="ascii")
        temporary.replace(file)
    except OSError as error:  # a full disk must not end the work; the old file tells
        sys.stderr.write(f"{file} cannot be written: {error}\n")


def age_s(file: Path) -> float | None:
    """Seconds since the last beat; None when there was none since the machine started."""
    try:
        age = time.monotonic() - float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return age if age >= 0 else None


def main(arguments: list[str]) -> int:
    """Whether the process that writes the file (argument, or ACTVERSE_HEARTBEAT) is well."""
    file = Path(arguments[0] if arguments else os.environ.get(VARIABLE, ""))
    age = age_s(file)
    if age is None:
        sys.stderr.write(f"no heartbeat in {file}\n")
        return 1
    if age > TOO_OLD_S:
        sys.stderr.write(f"the last heartbeat was {age:.0f} s ago\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
