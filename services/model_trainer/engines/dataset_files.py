"""How the files of a data set come to their places."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from services.model_trainer.errors import FrameMissing

JPEG_END = b"\xff\xd9"


def place(image: Path, target: Path) -> None:
    """Link a whole JPEG, copy anything else: ultralytics repairs damaged ones in place."""
    try:
        with image.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(-min(size, len(JPEG_END)), os.SEEK_END)
            whole = stream.read() == JPEG_END
    except FileNotFoundError as error:
        raise FrameMissing(f"The frame {image} is missing. Extract the frames again.") from error
    if not size:
        raise FrameMissing(f"The frame {image} is empty. Extract the frames again.")
    if whole:
        try:
            os.link(image, target)
        except OSError:  # another disk, or a file system without links
            pass
        else:
            return
    shutil.copyfile(image, target)


def swap(part: Path, final: Path) -> None:
    """Folders cannot be replaced at once; killed in between, the step builds again."""
    old = final.with_name("data.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    part.rename(final)
    shutil.rmtree(old, ignore_errors=True)
