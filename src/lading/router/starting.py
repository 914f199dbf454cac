"""Starting a program of the router's own, which returns once it does its work and goes on in the background."""

import os
import subprocess
import sys
from pathlib import Path

import lading


def start(module: str, *words: str, within: float) -> tuple[int, list[str]]:
    """Run a module until it returns, at most ``within`` seconds; return its exit status and what it complained of.

    Raise OSError or ``subprocess.TimeoutExpired``.
    """
    source = str(Path(lading.__file__).parent.parent)
    done = subprocess.run(
        # Without site packages and user site it is smaller and starts sooner.
        [sys.executable, "-S", "-s", "-m", module, *words],
        env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": source},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=within,
        check=False,
    )
    return done.returncode, done.stderr.decode(errors="replace").strip().splitlines()
