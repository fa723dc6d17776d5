"""Engines of the video processor: sources, probe, transcode, frames. Port: port.py; table: sources.py."""
