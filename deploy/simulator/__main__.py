"""`python -m deploy.simulator`: an arena video, training scenes, or the global model."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from shared.errors import ActverseError

REPOSITORY = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0, or 1 with a sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except ActverseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    arena = commands.add_parser("arena", help="an open-field video and its exact boxes")
    arena.add_argument("video", type=Path)
    arena.add_argument("truth", type=Path, help="csv: frame,track,x,y,w,h,class")
    arena.add_argument("--seconds", type=float, default=20)
    arena.add_argument("--fps", type=int, default=30)
    arena.add_argument("--width", type=int, default=640)
    arena.add_argument("--height", type=int, default=480)
    arena.add_argument("--animals", type=int, default=3)
    arena.add_argument("--seed", type=int, default=0)
    arena.add_argument("--resting", action="store_true", help="long sleeps, and dark hours")
    scenes = commands.add_parser("scenes", help="a YOLO data set of rendered scenes")
    scenes.add_argument("folder", type=Path)
    scenes.add_argument("--images", type=int, default=1000)
    scenes.add_argument("--seed", type=int, default=0)
    scenes.add_argument("--held-out", action="store_true", help="shapes and floors kept for tests")
    figures = commands.add_parser(
        "measure", help="figures of a one-class detector on labelled media"
    )
    figures.add_argument("model", type=Path, help="an ONNX file")
    figures.add_argument("media", type=Path, help="a video, or a folder of pictures")
    figures.add_argument("truth", type=Path, help="csv of boxes, or the folder of YOLO labels")
    figures.add_argument("--every", type=int, default=10, help="frames of the video")
    figures.add_argument("--classes", type=int, nargs="*", help="of the labels; default all")
    train = commands.add_parser("train-global", help="train, measure and publish the global model")
    train.add_argument("--out", type=Path, default=REPOSITORY / "triton_models" / "global")
    train.add_argument("--work", type=Path, help="scenes and checkpoints; resumes what is there")
    train.add_argument("--images", type=int, default=4000)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument(
        "--stage",
        nargs=4,
        action="append",
        metavar=("PIXELS", "EPOCHS", "RATE", "MOSAIC"),
        help="a stretch of training, may be repeated; default: those of train_global.py",
    )
    train.add_argument("--start-from", type=Path, help="continue from these weights")
    return parser


def _run(options: argparse.Namespace) -> None:
    if options.command == "arena":
        from deploy.simulator.arena import render_arena

        render_arena(
            options.video, options.truth, seconds=options.seconds, fps=options.fps,
            width=options.width, height=options.height, animals=options.animals, seed=options.seed,
            resting=options.resting,
        )  # fmt: skip
    elif options.command == "scenes":
        from deploy.simulator.dataset import write_scenes, write_yaml

        pictures = write_scenes(
            options.folder,
            images=options.images,
            seed=options.seed,
            families="held_out" if options.held_out else "training",
        )
        write_yaml(options.folder / "data.yaml", train=[pictures], val=pictures)
    elif options.command == "measure":
        _measure(options)
    else:
        from deploy.simulator.train_global import STAGES, Stage, train_global

        stages = tuple(
            Stage(int(size), int(epochs), float(rate), float(mosaic))
            for size, epochs, rate, mosaic in options.stage or ()
        )

        work = options.work or Path(tempfile.mkdtemp(prefix="train-global-"))
        card = train_global(
            options.out,
            work,
            images=options.images,
            seed=options.seed,
            stages=stages or STAGES,
            start_from=options.start_from,
        )
        print(card["measured"])


def _measure(options: argparse.Namespace) -> None:
    from deploy.simulator.labelled import labelled_video, yolo_folder
    from deploy.simulator.measure import measure
    from deploy.simulator.onnx_detector import OnnxDetector

    if options.media.is_dir():
        classes = tuple(options.classes) if options.classes else None
        pictures = yolo_folder(options.media, options.truth, classes)
    else:
        pictures = labelled_video(options.media, options.truth, options.every)
    for name, value in measure(OnnxDetector(options.model), pictures).rounded().items():
        print(f"{name:24}{value}")


if __name__ == "__main__":
    sys.exit(main())
