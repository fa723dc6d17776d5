"""`python -m deploy.cli`."""

from __future__ import annotations

from deploy.cli.main import main

main()
