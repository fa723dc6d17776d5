"""A file of weights that leaves a mark where it is opened: weights are pickles, so programs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any


class Bomb:
    """Makes the folder `mark` when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)

    def content(self) -> bytes:
        """The file."""
        return pickle.dumps(self)

    def opened(self) -> bool:
        """Whether somebody did."""
        return self.mark.exists()
