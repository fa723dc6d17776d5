"""What a running mesh leaves in its data folder for those who look for it."""

from __future__ import annotations

STATE_FILE = "mesh.json"
"""Its address and process id; there while the mesh runs."""
