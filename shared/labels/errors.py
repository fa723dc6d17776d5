"""What is said about labels that cannot be used."""

from __future__ import annotations

from shared.errors import Invalid


class LabelInvalid(Invalid):
    """A label file or a box that cannot mean what its author wanted; names file and line."""
