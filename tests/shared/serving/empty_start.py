"""A Triton that starts without its models, as one in a container does under explicit control."""

from __future__ import annotations

from deploy.local.triton import TritonProcess


def restart_empty(process: TritonProcess) -> None:
    """Kill `process` and start it again with no model loaded; the repository is there afterwards."""
    hidden = process.repository.with_name("hidden")
    process.kill()
    process.repository.rename(hidden)  # so that the start finds nothing to load
    process.repository.mkdir()
    process.start()
    process.repository.rmdir()
    hidden.rename(process.repository)
