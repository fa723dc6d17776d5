"""Which scorer this is, for what is kept of a take and for what is told of a result."""

from __future__ import annotations

NAME = "alignment"
FEATURE_VERSION = "1"
"""Changes with every change that makes kept features or scores incomparable."""
