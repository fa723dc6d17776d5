"""Ultralytics as its users have it, only offline and with its settings in a folder of the bench."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any


def ultralytics(config: Path) -> Any:
    """The module; nothing of the mesh's own preparation is applied to this process."""
    config.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ.setdefault("YOLO_CONFIG_DIR", str(config))
    os.environ.setdefault("MPLCONFIGDIR", str(config / "matplotlib"))
    import ultralytics

    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    return ultralytics
