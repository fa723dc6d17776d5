"""The text that tells a person what to do with the folder of a labeling."""

from __future__ import annotations

from services.labeling_manager.engines.record import Record

TEXT = """\
{title}
{underline}

Draw a box around every animal in the {total} images of the folder `images`. Any tool that saves
YOLO text files will do (labelImg, X-AnyLabeling, Label Studio, CVAT, Roboflow, a script ...).
{instructions}
Classes (the number is the first column of a label file; keep this order):
{classes}

How to label
  1. Open `images` in your tool, with the classes of `classes.txt`.
  2. Save one text file per image into `labels`: image 00000012.jpg -> labels/00000012.txt
     One line per box:   class  centre_x  centre_y  width  height
     The last four are shares of the image's width and height, 0 to 1.  Example: 0 0.5 0.5 0.1 0.2
  3. No animal in an image? Save an EMPTY text file: that says that you looked.
  4. Cannot tell? Write the name of the image into `skipped.txt`, one a line.
     A skipped image is not used, even if it has a label file.

{predictions} image(s) have suggestions of a model in `predictions`, in the same format: copy those
that are right into `labels`, correct the others. Suggestions that stay in `predictions` are not used.

The task goes on by itself when every image has a label file or is skipped. To stop earlier, make
an empty file named DONE in this folder: images without a label file are then left out.
Label files that cannot be read do not count; the status of the task names the file and the line.
"""


def readme(record: Record) -> str:
    """The content of README.txt."""
    title = record.spec.title or f"Labeling of task {record.spec.task_id}"
    instructions = record.spec.instructions.strip()
    return TEXT.format(
        title=title,
        underline="=" * len(title),
        total=len(record.frames),
        instructions=f"\n{instructions}\n" if instructions else "",
        classes="\n".join(f"  {n} = {name}" for n, name in enumerate(record.spec.classes)),
        predictions=sum(bool(frame.predictions) for frame in record.frames),
    )
