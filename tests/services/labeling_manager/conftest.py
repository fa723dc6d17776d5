"""What tests of the labeling tools share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared import wiring
from shared.platform import Platform
from shared.setting_groups.teaching import LabelingSettings
from shared.settings import Settings


def platform(folder: Path, **labeling: Any) -> Platform:
    """An embedded mesh in `folder`, with these settings of labeling; its tables are not made."""
    return wiring.build(Settings(data_dir=folder, labeling=LabelingSettings(**labeling)))
