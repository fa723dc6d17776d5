"""results.csv: a row an epoch, appended by ultralytics as it trains."""

from __future__ import annotations

from pathlib import Path

MAP50_95 = "metrics/mAP50-95(B)"


def keep_epochs(table: Path, epochs: int) -> None:
    """Drop the rows after `epochs`: they will be trained again, and a killed one may be half."""
    if not table.is_file():
        return
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    columns = header.count(",")
    kept: dict[int, str] = {}
    for row in rows:
        epoch = row.split(",", 1)[0].strip()
        if row.count(",") == columns and epoch.isdigit() and int(epoch) <= epochs:
            kept[int(epoch)] = row
    temporary = table.with_suffix(".part")
    temporary.write_text("\n".join([header, *kept.values()]) + "\n", encoding="utf-8")
    temporary.replace(table)


def read_epochs(table: Path) -> list[dict[str, float]]:
    """The rows by column: epoch, time, train/box_loss, ..., metrics/mAP50(B), ..., lr/pg0."""
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    names = [name.strip() for name in header.split(",")]
    return [dict(zip(names, map(float, row.split(",")), strict=True)) for row in rows]


def map50_95_of(table: Path, epoch: int) -> float:
    """The mAP50-95 after `epoch` (from 1) on the validation frames, 0..1."""
    rows = {int(row["epoch"]): row for row in read_epochs(table)}
    return rows[epoch][MAP50_95]
