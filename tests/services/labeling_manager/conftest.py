"""What tests of the labeling tools share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared import wiring
from shared.platform import Platform
from shared.setting_groups.teaching import LabelingSettings
from shared.settings import Settings


def platform(folder: Path, stored: dict[str, Any] | None = None, **labeling: Any) -> Platform:
    """An embedded mesh in `folder`, with these settings of labeling; its tables are not made.

    `stored` says where its files lie, when that is elsewhere.
    """
    chosen = LabelingSettings(**labeling)
    return wiring.build(Settings(data_dir=folder, labeling=chosen, **(stored or {})))
