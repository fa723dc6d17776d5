"""What a storm came to, as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.storm import Report

COLUMNS = (
    "wiring",
    "tasks accepted",
    "faults",
    "lost",
    "succeeded",
    "failed, as they were made to",
    "second outcomes",
    "pieces of work",
    "of them run again",
    "left over",
    "storm, s",
    "all done after the last fault, s",
)


def table(reports: Sequence[tuple[str, Report]]) -> str:
    """Markdown: a row for each storm, then what happened in it."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for wiring, report in reports:
        counts = report.counts
        ended = counts.succeeded + counts.failed.total()
        cells = (
            wiring,
            counts.accepted,
            len(report.faults),
            counts.accepted - ended,
            counts.succeeded,
            ", ".join(f"{n} {code}" for code, n in sorted(counts.failed.items())) or "none",
            counts.second_outcomes,
            counts.works,
            counts.ran_again,
            len(counts.left_over) or "nothing",
            f"{report.storm_s:.0f}",
            f"{report.settled_s:.0f}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    for wiring, report in reports:
        lines += ["", f"{wiring}: " + "; ".join(f"{at:.0f} s {name}" for at, name in report.faults)]
        lines += [f"- {problem}" for problem in report.counts.problems]
    return "\n".join(lines)
