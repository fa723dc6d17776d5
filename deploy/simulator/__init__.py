"""Renders footage and pictures with exact truth: an open-field arena, and scenes for the global model."""
