"""Engines by name, loaded when they are asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.labeling_manager.engines.table import ENGINES, checked_labeler, labeling_engine
from services.labeling_manager.errors import UnknownLabeler
from tests.services.labeling_manager.conftest import platform


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_is_there(name: str, tmp_path: Path):
    engine = labeling_engine(checked_labeler(name), platform(tmp_path))
    assert {"open", "push", "status", "pull", "close"} <= set(dir(engine))


def test_an_unknown_labeler_is_refused_with_the_known_ones():
    with pytest.raises(UnknownLabeler, match="Choose one of: builtin, folder, auto"):
        checked_labeler("paint")


def test_the_table_loads_no_engine():
    check = (
        "import sys; import services.labeling_manager.engines.table; "
        "sys.exit(any(m.endswith(('.folder', '.auto')) and 'engines' in m for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
