"""`python -m tests.bench.learning_choice`: mAP by number of labelled frames, for each strategy.

Each strategy begins with the same few frames, evenly spaced in the video. A detector is taught with
them, analyses the video, the strategy chooses the next frames, and so on; the truth plays the
annotator. The first detector starts from the global model, all others from the first. With half the
frames each is shown twice in an epoch, so that it is the frames that tell detectors apart and not the
minutes. All are scored on the same frames of a later part of the video, which nobody may choose.

Measured against frames that are simply evenly spaced; the strategy `uniform` is more than that, as
it takes nothing twice that looks alike. Prints Markdown.

Three videos: an arena whose animals never rest; a longer recording of a cage, in which they sleep most
of the time and the light goes out; and two flies.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from shared.events.learning_settings import FrameBudget
from shared.events.settings import TrainingSettings
from tests.bench.learning_choice_report import EVEN, MIX, Records, Run, draw, table
from tests.bench.learning_scene import WEIGHTS, Scene, analyse, judge, scene, teach

ROOT = Path(__file__).resolve().parents[2]
FLIES = ROOT.parent / "shared" / "data" / "vision" / "flies"
STRATEGIES = ("uniform", "diversity", "uncertainty", "motion", "track_breaks")
UNTAUGHT = "global model"
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples shift the even spacing by as much as can be
PLACES = ("arena", "resting", "flies")


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    sizes: tuple[int, ...] = (8, 16, 32)  # labelled frames after each round
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=24, imgsz=192, batch=8)
    )
    later_epochs: int = 16  # of the detectors after the first, which go on from it
    arena_s: float = 90
    arena_fps: int = 10
    resting_s: float = 900
    resting_fps: int = 4
    pool: float = 0.7  # of a video, for choosing
    watched: int = 12
    judged: int = 60
    analysed_every: int = 2  # frames
    resting_every: int = 4

    def pixels(self, name: str) -> int:
        """Side of the network's input; the animals of the arena are small."""
        return self.training.imgsz * (7 if name == "arena" else 6) // 6 // 32 * 32

    def every(self, name: str) -> int:
        """Every how many frames a video is analysed."""
        return self.resting_every if name == "resting" else self.analysed_every


QUICK = Plan(
    sizes=(4, 8),
    later_epochs=1,
    training=TrainingSettings(epochs=3, imgsz=128, batch=4),
    arena_s=24,
    resting_s=60,
    watched=4,
    judged=10,
    analysed_every=6,
    resting_every=6,
)


def budgets() -> dict[str, FrameBudget]:
    """Each strategy alone, and all of them as a task has them by default."""
    nothing = dict.fromkeys(STRATEGIES, 0.0)
    alone = {name: FrameBudget(**(nothing | {name: 1.0})) for name in STRATEGIES}
    return alone | {MIX: FrameBudget()}


def follow(
    place: Scene,
    plan: Plan,
    seed: int,
    folder: Path,
    records: Records,
    names: list[str],
    until: int,
) -> None:
    """Record the score of the global model, and of each of `names` after each round."""
    from services.video_processor.engines.choice.choosing import Choice, Wish, decide

    settings = plan.training.model_copy(update={"seed": seed, "imgsz": plan.pixels(place.name)})
    later = settings.model_copy(update={"epochs": plan.later_epochs})
    most = plan.sizes[-1]

    def seen(weights: Path, file: Path) -> Path:
        if not file.exists():
            part = file.with_suffix(".part")
            analyse(place, weights, settings.imgsz, part, plan.every(place.name)).replace(file)
        return file

    ends = {name: plan.sizes[-1] if name == EVEN else until for name in names}
    missing = [name for name in names if not records.has(place.name, seed, name, ends[name])]
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    begin = judge(place, WEIGHTS, settings.imgsz)
    records.add(Run(place.name, seed, UNTAUGHT, 0, begin.map50, begin.map50_95, ()))
    general = seen(WEIGHTS, folder.parent / f"{place.name}-global.csv")
    phase = (0.5 + seed * GOLDEN) % 1 / plan.sizes[0]
    labelled = dict.fromkeys(evenly(place, plan.sizes[0], phase), EVEN)
    first, score = teach(place, labelled, settings, folder / "first", times=most // plan.sizes[0])
    _say(place.name, f"seed {seed}, {len(labelled)} frames: {score.map50_95:.3f}")
    begun = seen(first, folder / "first.csv")
    for name in missing:
        taken, last = dict(labelled), begun
        own = tuple(sorted(taken.items()))
        records.add(Run(place.name, seed, name, len(taken), score.map50, score.map50_95, own))
        for size, following in pairwise(size for size in plan.sizes if size <= ends[name]):
            if name == EVEN:
                choice = Choice((), ())
                taken = dict.fromkeys(evenly(place, following, phase), EVEN)
            else:
                wish = Wish(place.pool, set(taken), last, general, place.avoid_s)
                choice = decide(wish, following - size, budgets()[name], seed=seed)
                taken |= {each.frame: each.strategy for each in choice.chosen}
            work = folder / f"{name}-{following}"
            weights, after = teach(place, taken, later, work, start=first, times=most // following)
            own = tuple(sorted(taken.items()))
            records.add(Run(place.name, seed, name, len(taken), after.map50, after.map50_95, own))
            told = f"seed {seed}, {name} {choice.by_strategy()}, {len(taken)} frames"
            _say(place.name, " ".join([f"{told}: {after.map50_95:.3f}", *choice.notes]))
            if following != ends[name] and name != EVEN:
                last = seen(weights, work.with_suffix(".csv"))


def evenly(place: Scene, count: int, begin: float) -> list[int]:
    """`count` frames at equal distances from `begin` (0..1); twice as many hold the same ones."""
    sound = [frame for frame in range(place.frames) if frame not in place.poor]
    return sorted(sound[int((begin + i / count) % 1 * len(sound))] for i in range(count))


def build(name: str, plan: Plan, folder: Path) -> Scene | None:
    """One of `PLACES`; None where its media are absent."""
    from deploy.simulator.arena import render_arena

    counts = {"watched": plan.watched, "judged": plan.judged}
    if name == "flies":
        film, boxes = FLIES / "centered_pair_low_quality.mp4", FLIES / "centered_pair.boxes.csv"
        if film.exists() and boxes.exists():
            return scene("flies", film, boxes, folder, pool=770, **counts)
        _say("flies", "left out: the media beside the checkout (../shared/data) are absent")
        return None
    resting = name == "resting"
    seconds, fps = (plan.resting_s, plan.resting_fps) if resting else (plan.arena_s, plan.arena_fps)
    video, truth = folder / f"{name}.mp4", folder / f"{name}.csv"
    size = {"width": 320, "height": 240, "body": 0.2 if resting else 0.125}
    if not video.exists():
        render_arena(video, truth, seconds=seconds, fps=fps, seed=21, resting=resting, **size)
    return scene(name, video, truth, folder, pool=round(plan.pool * seconds * fps), **counts)


def _say(name: str, text: str) -> None:
    now = time.strftime("%H:%M:%S")
    print(f"{now} [{name}] {text}", file=sys.stderr, flush=True)  # noqa: T201 - progress


def main() -> None:
    """Teach, score and print a table for each video."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.learning_choice")
    parser.add_argument("--quick", action="store_true", help="a look; its figures prove nothing")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the runs; averaged")
    parser.add_argument("--only", choices=PLACES, nargs="+", default=PLACES, help="the videos")
    parser.add_argument("--strategies", nargs="+", default=[EVEN, *budgets()], help="those to try")
    parser.add_argument("--record", type=Path, help="JSON file of every score; what it has is kept")
    parser.add_argument("--until", type=int, default=32, help="frames; evenly spaced: all sizes")
    parser.add_argument("--work", type=Path, help="folder to keep the videos in")
    parser.add_argument("--plot", type=Path, help="PNG file of the curves")
    given = parser.parse_args()
    os.environ.setdefault("YOLO_OFFLINE", "1")
    plan = QUICK if given.quick else Plan()
    begun = time.monotonic()
    records = Records(given.record)
    with tempfile.TemporaryDirectory(prefix="learning-") as name:
        folder = given.work or Path(name)
        places = {each: build(each, plan, folder) for each in given.only}
        for seed in given.seeds:
            for place in places.values():
                if place:
                    work = folder / f"{place.name}-{seed}"
                    follow(place, plan, seed, work, records, given.strategies, given.until)
    minutes = (time.monotonic() - begun) / 60
    pages = [table(records, name, plan.sizes) for name in PLACES if records.of(name)]
    shown = [(epochs or 0) * plan.sizes[-1] for epochs in (plan.training.epochs, plan.later_epochs)]
    sizes = f"{plan.training.imgsz} px (arena {plan.pixels('arena')}), {shown[0]} pictures for the first, {shown[1]} after it"
    print("\n\n".join([*pages, f"mAP50-95 ± spread (mAP50); {sizes}; {minutes:.1f} minutes."]))  # noqa: T201 - what it is for
    if given.plot:
        draw(records, [name for name in PLACES if records.of(name)], plan.sizes, given.plot)


if __name__ == "__main__":
    main()
