"""A program that ends with its launcher, however that ends.

    python -m deploy.local.child LAUNCHER_PID SIGNAL MODULE ARGUMENT ...

runs MODULE as `python -m` would, after asking the kernel for SIGNAL when the launcher dies. The
child asks for itself because a launcher with threads must not run code of its own after a fork.
"""

from __future__ import annotations

import runpy
import signal
import sys

from shared.process import die_with

if __name__ == "__main__":
    launcher, how, module = sys.argv[1:4]
    die_with(int(launcher), signal.Signals[how])
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
