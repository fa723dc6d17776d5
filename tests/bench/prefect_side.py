"""Nine no-op tasks in a flow of Prefect; runs in Prefect's own environment, which has nothing of ours.

A line on the standard input runs the flow once; the answer is a line with the seconds it took.
"""

from __future__ import annotations

import sys
import time

from prefect import flow, task

TASKS = 9


@task
def noop(job: dict[str, str]) -> dict[str, str]:
    """Return what came."""
    return job


@flow
def nine(job: dict[str, str]) -> dict[str, str]:
    """One after the other."""
    for _ in range(TASKS):
        job = noop(job)
    return job


def main() -> None:
    """Answer until the input ends."""
    for _ in sys.stdin:
        begun = time.perf_counter()
        nine({"task_id": "bench", "user_id": "bench"})
        sys.stdout.write(f"SECONDS {time.perf_counter() - begun}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
