"""What the bench of the choice keeps of its runs, and how it shows them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev

MIX = "default budget"
EVEN = "evenly spaced"


@dataclass(frozen=True)
class Run:
    """One detector, taught and scored."""

    place: str
    seed: int
    strategy: str
    frames: int
    map50: float
    map50_95: float
    chosen: tuple[tuple[int, str], ...]  # the frames that taught it, and who asked for each


class Records:
    """Runs so far; in a file too, so that a bench that is stopped goes on where it was."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.runs: dict[tuple[str, int, str, int], Run] = {}
        if file and file.exists():
            for row in json.loads(file.read_text(encoding="utf-8")):
                chosen = tuple((frame, who) for frame, who in row.pop("chosen"))
                self._put(Run(**row, chosen=chosen))

    def add(self, run: Run) -> None:
        """Keep a run; the same one again takes the place of the one before."""
        self._put(run)
        if self._file:
            rows = [asdict(each) for each in self.runs.values()]
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(rows), encoding="utf-8")
            part.replace(self._file)

    def _put(self, run: Run) -> None:
        self.runs[run.place, run.seed, run.strategy, run.frames] = run

    def of(self, place: str, strategy: str = "", frames: int | None = None) -> list[Run]:
        """The runs in one video, by seed."""
        return [
            run
            for run in self.runs.values()
            if run.place == place
            and strategy in ("", run.strategy)
            and frames in (None, run.frames)
        ]

    def has(self, place: str, seed: int, strategy: str, frames: int) -> bool:
        """Whether a run is there."""
        return (place, seed, strategy, frames) in self.runs

    def curve(self, place: str, strategy: str) -> dict[int, list[Run]]:
        """The runs by number of frames, as far as the strategy was followed."""
        found = self.of(place, strategy)
        sizes = sorted({run.frames for run in found})
        return {size: [run for run in found if run.frames == size] for size in sizes}

    def strategies(self, place: str, frames: int) -> list[str]:
        """Those that were followed to so many frames, the best first."""
        names = dict.fromkeys(run.strategy for run in self.of(place, frames=frames))
        return sorted(names, key=lambda name: -_goal(self.of(place, name, frames)))


def table(records: Records, place: str, sizes: tuple[int, ...]) -> str:
    """Markdown: mAP50-95 (mAP50), a row a strategy, a column a number of frames."""
    columns = " | ".join(f"{size} frames" for size in sizes)
    begin = records.of(place, frames=0)
    goal = records.of(place, EVEN, sizes[-1])
    lines = [
        f"**{place}**, global model without labels: {_cell(begin)}",
        "",
        f"| strategy | seeds | {columns} | frames for what {sizes[-1]} {EVEN} ones give |",
        "|" + "---|" * (len(sizes) + 3),
    ]
    for name in records.strategies(place, sizes[1]):
        curve = records.curve(place, name)
        cells = [name, str(len(curve[sizes[1]])), *(_cell(curve.get(size, [])) for size in sizes)]
        later = {size: runs for size, runs in curve.items() if size > sizes[0]}
        cells.append(_frames_for(_goal(goal), later) if goal else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _goal(runs: list[Run]) -> float:
    return mean(run.map50_95 for run in runs)


def _cell(runs: list[Run]) -> str:
    """Mean, and the standard deviation of the seeds."""
    if not runs:
        return ""
    values = [run.map50_95 for run in runs]
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread} ({mean(run.map50 for run in runs):.3f})"


def _frames_for(goal: float, curve: dict[int, list[Run]]) -> str:
    """Frames at which the curve, straight between its points, first reaches `goal`.

    The first detector is not on it: it was taught in another way than those that go on from it.
    """
    points = [(size, _goal(runs)) for size, runs in curve.items()]
    if points[0][1] >= goal:
        return f"at most {points[0][0]}"
    for (size, low), (following, high) in pairwise(points):
        if high >= goal:
            return f"{size + (following - size) * (goal - low) / (high - low):.0f}"
    return f"more than {points[-1][0]}"


def draw(records: Records, places: list[str], sizes: tuple[int, ...], file: Path) -> None:
    """A chart for each video: mAP50-95 by labelled frames, a line for each strategy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(places) + 1.4, 3.2), layout="constrained")
    charts = figure.subplots(1, len(places), squeeze=False)[0]
    names = dict.fromkeys(run.strategy for run in records.runs.values() if run.frames)
    for chart, place in zip(charts, places, strict=True):
        for number, name in enumerate(names):
            curve = records.curve(place, name)
            if not curve:
                continue
            plain = name == EVEN
            chart.errorbar(
                [size * (1 + 0.012 * (number - len(names) / 2)) for size in curve],
                [_goal(each) for each in curve.values()],
                [
                    stdev([run.map50_95 for run in each]) if len(each) > 1 else 0
                    for each in curve.values()
                ],
                label=name.replace("_", " "),
                color="black" if plain else f"C{number}",
                linestyle="--" if plain else "-",
                marker="o",
                markersize=3,
                linewidth=1.4,
                elinewidth=0.7,
            )
        chart.set_xscale("log", base=2)
        chart.set_xticks(sizes, [str(size) for size in sizes])
        chart.set_title(place)
        chart.set_xlabel("labelled frames")
        chart.grid(visible=True, linewidth=0.3)
    charts[0].set_ylabel("mAP50-95 on later frames")
    lines = {}
    for chart in charts:
        handles, labels = chart.get_legend_handles_labels()
        lines |= dict(zip(labels, handles, strict=True))
    figure.legend(lines.values(), lines, loc="outside right center", fontsize="small")
    figure.savefig(file, dpi=110)
