"""`python -m tests.bench.learning_choice`: mAP by number of labelled frames, for each strategy.

Each strategy begins with the same few frames, spread over the video. A detector is taught with
them, analyses the video, the strategy chooses the next frames, and so on; the truth plays the
annotator. All detectors start from the global model and are scored on the same frames of a later
part of the video, which nobody may choose. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from shared.events.learning_settings import FrameBudget
from shared.events.settings import TrainingSettings
from tests.bench.learning_scene import WEIGHTS, Scene, Score, analyse, judge, scene, teach

ROOT = Path(__file__).resolve().parents[2]
FLIES = ROOT.parent / "shared" / "data" / "vision" / "flies"
STRATEGIES = ("uniform", "diversity", "uncertainty", "motion", "track_breaks")
MIX = "default budget"


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    sizes: tuple[int, ...] = (8, 16, 32)  # labelled frames after each round
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=24, imgsz=224, batch=8)
    )
    arena_frames: int = 900
    arena_fps: int = 10
    pool: float = 0.7  # of a video, for choosing
    watched: int = 12
    judged: int = 40
    analysed_every: int = 2
    seeds: int = 1


QUICK = Plan(
    sizes=(4, 8),
    training=TrainingSettings(epochs=3, imgsz=128, batch=4),
    arena_frames=240,
    watched=4,
    judged=10,
    analysed_every=6,
)
Curve = list[Score]


def budgets() -> dict[str, FrameBudget]:
    """Each strategy alone, and all of them as a task has them by default."""
    nothing = dict.fromkeys(STRATEGIES, 0.0)
    alone = {name: FrameBudget(**(nothing | {name: 1.0})) for name in STRATEGIES}
    return alone | {MIX: FrameBudget()}


def curves(place: Scene, plan: Plan, seed: int, folder: Path) -> tuple[Score, dict[str, Curve]]:
    """The score of the global model, and of each strategy after each round."""
    from services.video_processor.engines.choice.choosing import choose

    settings = plan.training.model_copy(update={"seed": seed})
    begin = judge(place, WEIGHTS, settings.imgsz, folder / "global")
    general = analyse(place, WEIGHTS, settings.imgsz, folder / "global.csv", plan.analysed_every)
    first = choose(place.pool, plan.sizes[0], budgets()["uniform"], seed=seed)
    labelled = {each.frame for each in first}
    weights, score = teach(place, labelled, settings, folder / "first")
    table = analyse(place, weights, settings.imgsz, folder / "first.csv", plan.analysed_every)
    found: dict[str, Curve] = {}
    for name, budget in budgets().items():
        taken, last, found[name] = set(labelled), table, [score]
        for size, following in pairwise([*plan.sizes, 0]):
            if not following:
                break
            more = choose(
                place.pool,
                following - size,
                budget,
                seed=seed,
                taken=taken,
                last=last,
                other=general,
            )
            taken |= {each.frame for each in more}
            work = folder / f"{name}-{following}"
            taught, after = teach(place, taken, settings, work)
            found[name].append(after)
            told = ", ".join(sorted({each.strategy for each in more}))
            _say(place.name, f"{name} ({told}), {len(taken)} frames: {after.map50_95:.3f}")
            if following != plan.sizes[-1] and name not in ("uniform", "motion"):
                file = folder / f"{name}-{following}.csv"
                last = analyse(place, taught, settings.imgsz, file, plan.analysed_every)
    return begin, found


def table(place: Scene, plan: Plan, begin: list[Score], found: list[dict[str, Curve]]) -> str:
    """Markdown: mAP50-95 (mAP50), a row a strategy, a column a number of frames."""
    sizes = " | ".join(f"{size} frames" for size in plan.sizes)
    lines = [
        f"**{place.name}**, global model without labels: {_mean(begin)}; {len(place.judged)} judged frames",
        "",
        f"| strategy | {sizes} | frames for what uniform has with {plan.sizes[-1]} |",
        "|" + "---|" * (len(plan.sizes) + 2),
    ]
    goal = _average([run["uniform"][-1] for run in found]).map50_95
    for name in found[0]:
        columns = [[run[name][i] for run in found] for i in range(len(plan.sizes))]
        reached = _frames_for(goal, plan.sizes, [_average(each).map50_95 for each in columns])
        lines.append(f"| {name} | {' | '.join(map(_mean, columns))} | {reached} |")
    return "\n".join(lines)


def _frames_for(goal: float, sizes: tuple[int, ...], curve: list[float]) -> str:
    """Frames at which the curve, straight between its points, first reaches `goal`."""
    if curve[0] >= goal:
        return f"at most {sizes[0]}"
    for (size, low), (following, high) in pairwise(zip(sizes, curve, strict=True)):
        if high >= goal:
            return f"{size + (following - size) * (goal - low) / (high - low):.0f}"
    return f"more than {sizes[-1]}"


def _average(scores: list[Score]) -> Score:
    count = len(scores)
    return Score(sum(s.map50 for s in scores) / count, sum(s.map50_95 for s in scores) / count)


def _mean(scores: list[Score]) -> str:
    score = _average(scores)
    return f"{score.map50_95:.3f} ({score.map50:.3f})"


def _scenes(plan: Plan, folder: Path) -> list[Scene]:
    from deploy.simulator.arena import render_arena

    counts = {"watched": plan.watched, "judged": plan.judged}
    video, truth = folder / "arena.mp4", folder / "arena.csv"
    seconds = plan.arena_frames / plan.arena_fps
    render_arena(video, truth, seconds=seconds, fps=plan.arena_fps, width=320, height=240, seed=21)
    pool = round(plan.pool * plan.arena_frames)
    made = [scene("arena", video, truth, folder, pool=pool, **counts)]
    film, boxes = FLIES / "centered_pair_low_quality.mp4", FLIES / "centered_pair.boxes.csv"
    if film.exists() and boxes.exists():
        made.append(scene("flies", film, boxes, folder, pool=770, **counts))
    else:
        _say("flies", "left out: the media beside the checkout (../shared/data) are absent")
    return made


def _say(name: str, text: str) -> None:
    print(f"[{name}] {text}", file=sys.stderr, flush=True)  # noqa: T201 - progress


def main() -> None:
    """Teach, score and print a table for each video."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.learning_choice")
    parser.add_argument("--quick", action="store_true", help="a look; its figures prove nothing")
    parser.add_argument("--seeds", type=int, default=1, help="runs that are averaged")
    parser.add_argument("--only", choices=("arena", "flies"), help="one of the videos")
    given = parser.parse_args()
    os.environ.setdefault("YOLO_OFFLINE", "1")
    plan = QUICK if given.quick else Plan()
    begun = time.monotonic()
    pages = []
    with tempfile.TemporaryDirectory(prefix="learning-") as name:
        folder = Path(name)
        for place in _scenes(plan, folder):
            if given.only not in (None, place.name):
                continue
            runs = []
            for seed in range(given.seeds):
                work = folder / f"{place.name}-{seed}"
                work.mkdir()
                runs.append(curves(place, plan, seed, work))
            pages.append(table(place, plan, [run[0] for run in runs], [run[1] for run in runs]))
    minutes = (time.monotonic() - begun) / 60
    sizes = f"{plan.training.imgsz} px, {plan.training.epochs} epochs, {given.seeds} seed(s)"
    print("\n\n".join([*pages, f"mAP50-95 (mAP50); {sizes}; {minutes:.1f} minutes."]))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
